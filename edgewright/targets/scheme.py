"""Which quantization schemes a target can run, decided from its capability map alone."""

from edgewright.config.schemes import ActivationScheme, GqScheme, LayerScheme, WeightScheme
from edgewright.errors import ConfigError
from edgewright.targets.alternatives import choices
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights, Operator, Target


def find_kernel(
    operator: Operator, weights: WeightScheme | None, activations: ActivationScheme | None
) -> Kernel | None:
    """The first quantized form of `operator` that runs these weights and activations, or None.

    `weights` None asks for a form without integer weights (an addition, a pool).
    """
    for kernel in operator.quantized:
        if _weights_fit(kernel.weights, weights) and _activations_fit(kernel.activations, activations):
            return kernel
    return None


def check_scheme(target: Target, scheme: GqScheme, where: str) -> None:
    """Refuse a scheme that no operator with weights of this target can run.

    Args:
        target: the target to compile for.
        scheme: the scheme; each entry of its `layers` is checked too, and the candidates of its `search` in place of
            itself.
        where: key of the scheme in the configuration, the start of the message.

    Raises:
        ConfigError: one line with the operator, the weights or activations that do not fit, the line of the map, and
            the schemes that the target can do, the nearest first.
    """
    if scheme.dtype == "float16" and not target.float16:
        raise ConfigError(f"{where}.dtype: target {target.name} has no half precision ({target.name}.yaml: float16); "
                          f"nearest: {_nearest(target, scheme)}")
    if scheme.is_float:
        if not target.float_build:
            raise ConfigError(f"{where}: target {target.name} has no float build ({target.name}.yaml: float_build); "
                              f"nearest: {choices(target, None, None)}")
        return
    whole = LayerScheme(weights=scheme.weights, activations=scheme.activations)
    layers = {f".layers.{key}": scheme.of_layer(key) for key in scheme.layers}
    candidates = () if scheme.search is None else scheme.search.candidates
    searched = {f".search.candidates: {name}": scheme.resolved(name) for name in candidates}
    asked_for = {"": None if candidates else whole, **layers, **searched}
    for key, asked in asked_for.items():
        if asked is None:
            continue
        if not any(find_kernel(item, asked.weights, asked.activations) for item in target.operators.values()):
            parts = [str(part) for part in (asked.weights, asked.activations) if part is not None]
            operator = _operator(asked.weights, asked.activations)
            raise ConfigError(
                f"{where}{key}: target {target.name} cannot run {operator} with "
                f"{' and '.join(parts)} ({_line(target, operator)}); nearest: "
                f"{choices(target, asked.weights, asked.activations)}"
            )


def schemes(target: Target) -> dict[str, list[str]]:
    """Quantized forms with weights that a target has, described, and the operators that have them, by name."""
    found: dict[str, list[str]] = {}
    for name, operator in sorted(target.operators.items()):
        for kernel in operator.quantized:
            if kernel.weights is not None:
                found.setdefault(str(kernel), []).append(name)
    return found


def _weights_fit(kernel: KernelWeights | None, scheme: WeightScheme | None) -> bool:
    if kernel is None or scheme is None:
        return kernel is None and scheme is None
    group_fits = kernel.group_multiple is None or (scheme.group or 0) % kernel.group_multiple == 0
    return (
        kernel.bits == scheme.bits
        and kernel.granularity == scheme.granularity
        and (scheme.symmetric or not kernel.symmetric)
        and (scheme.power_of_two or not kernel.power_of_two)
        and group_fits
    )


def _activations_fit(kernel: KernelActivations | None, scheme: ActivationScheme | None) -> bool:
    if kernel is None or scheme is None:
        return kernel is None and scheme is None
    # No runtime chooses powers of two when it runs.
    is_possible = scheme.mode == "static" or not scheme.power_of_two
    return (
        is_possible
        and kernel.bits == scheme.bits
        and kernel.mode == scheme.mode
        and (scheme.symmetric or not kernel.symmetric)
        and (scheme.power_of_two or not kernel.power_of_two)
    )


def _operator(weights: WeightScheme | None, activations: ActivationScheme | None) -> str:
    """What a scheme is for: only a linear has weights in groups, or activations that are quantized per token."""
    is_dynamic = activations is not None and activations.mode == "dynamic"
    return "linear" if is_dynamic or (weights is not None and weights.group) else "any operator"


def _line(target: Target, operator: str) -> str:
    """The line of the map that says so; of the linear operator, or the first with a weight, where any would do."""
    weighted = [name for name, entry in sorted(target.operators.items()) if _has_weights(entry)]
    name = operator if operator in target.operators else "linear" if "linear" in weighted else next(iter(weighted), "")
    if not name:
        return f"{target.name}.yaml: operators: no {operator}"
    forms = ", ".join(kernel.name for kernel in target.operators[name].quantized)
    return f"{target.name}.yaml: operators.{name}: quantized: [{forms}]"


def _has_weights(operator: Operator) -> bool:
    return any(kernel.weights is not None for kernel in operator.quantized)


def _nearest(target: Target, scheme: GqScheme) -> str:
    """What to ask for instead of half precision."""
    if scheme.is_float and target.float_build:
        return "dtype: float32"
    return choices(target, scheme.weights, scheme.activations)
