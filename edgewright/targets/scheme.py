"""Which quantization schemes a target can run, decided from its capability map alone."""

from edgewright.config.schema import ActivationScheme, GqScheme, WeightScheme
from edgewright.errors import ConfigError
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
        scheme: the scheme; weights of its `layers` are checked with its activations.
        where: key of the scheme in the configuration, the start of the message.

    Raises:
        ConfigError: one line with the operator, the weights or activations that do not fit, and the
            schemes that the target can do.
    """
    if scheme.is_float:
        if not target.float_build:
            raise ConfigError(f"{where}: target {target.name} has no float build; it can do: {_choices(target)}")
        return
    overrides = {key: value for key, value in scheme.layers.items() if isinstance(value, WeightScheme)}
    for key, weights in {"": scheme.weights, **overrides}.items():
        asked = [part for part in (weights, scheme.activations) if part is not None]
        if not any(find_kernel(operator, weights, scheme.activations) for operator in target.operators.values()):
            raise ConfigError(
                f"{where}{f'.layers.{key}' if key else ''}: target {target.name} cannot run "
                f"{_operator(weights, scheme.activations)} with {' and '.join(map(str, asked))}; it can do: "
                f"{_choices(target)}"
            )


def _weights_fit(kernel: KernelWeights | None, scheme: WeightScheme | None) -> bool:
    if kernel is None or scheme is None:
        return kernel is None and scheme is None
    group_fits = kernel.group_multiple is None or (scheme.group or 0) % kernel.group_multiple == 0
    return (
        kernel.bits == scheme.bits
        and kernel.granularity == scheme.granularity
        and (scheme.symmetric or not kernel.symmetric)
        and group_fits
    )


def _activations_fit(kernel: KernelActivations | None, scheme: ActivationScheme | None) -> bool:
    if kernel is None or scheme is None:
        return kernel is None and scheme is None
    return (
        kernel.bits == scheme.bits
        and kernel.mode == scheme.mode
        and (scheme.symmetric or not kernel.symmetric)
    )


def _operator(weights: WeightScheme | None, activations: ActivationScheme | None) -> str:
    """What a scheme is for: only a linear has weights in groups, or activations that are quantized per token."""
    is_dynamic = activations is not None and activations.mode == "dynamic"
    return "linear" if is_dynamic or (weights is not None and weights.group) else "any operator"


def _choices(target: Target) -> str:
    kernels: dict[str, list[str]] = {}
    for name, operator in sorted(target.operators.items()):
        for kernel in operator.quantized:
            if kernel.weights is not None:
                kernels.setdefault(str(kernel), []).append(name)
    return "; ".join(f"{kernel} for {', '.join(ops)}" for kernel, ops in kernels.items())
