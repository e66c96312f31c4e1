"""What a scheme asks of each module."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edgewright.config.schemes import ActivationScheme, GqScheme, LayerScheme, WeightScheme
from edgewright.gq import patterns


@dataclass(frozen=True, slots=True)
class ModuleScheme:
    """What holds for the operators of one module; both None leave them float.

    Attributes:
        weights: how weights are rounded, and which integer weights are taken.
        activations: how activations are quantized.
        is_exempt: a pattern of `layers` says `float`.
    """

    weights: WeightScheme | None
    activations: ActivationScheme | None
    is_exempt: bool = False

    def __str__(self) -> str:
        return ", ".join(str(part) for part in (self.weights, self.activations) if part is not None)


class Resolved:
    """A scheme whose `layers` are known to match modules of a program.

    A pattern is a glob on the path of a module, or of one that contains it, or on the name of an operator; later
    patterns win.
    """

    def __init__(self, scheme: GqScheme, names: Collection[Collection[str]], where: str = "gq") -> None:
        """Check every pattern.

        Args:
            scheme: the scheme.
            names: what each operator goes by: paths of its modules, and its own name.
            where: key of the scheme in the configuration, the start of a message.

        Raises:
            ConfigError: a pattern matches no module (the nearest path is named), or all that it matches is matched by
                later ones that say otherwise.
        """
        self._default = ModuleScheme(scheme.weights, scheme.activations)
        self._layers = {pattern: _of(scheme.of_layer(pattern)) for pattern in scheme.layers}
        patterns.check(self._layers, [_paths(own) for own in names], f"{where}: layers", "module")

    def at(self, *names: str) -> ModuleScheme:
        """What holds for an operator that goes by `names`."""
        return patterns.last(self._layers, _paths(names), self._default)


def _of(layer: LayerScheme | None) -> ModuleScheme:
    return ModuleScheme(None, None, is_exempt=True) if layer is None else ModuleScheme(layer.weights, layer.activations)


def _paths(names: Iterable[str]) -> set[str]:
    return {path for name in names for path in _containing(name)}


def _containing(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
