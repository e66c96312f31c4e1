"""What a scheme asks of each module."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edgewright.config.schemes import ActivationScheme, GqScheme, LayerScheme, WeightScheme
from edgewright.errors import ConfigError, nearest


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
            ConfigError: a pattern matches no module; the nearest path is named.
        """
        self._default = ModuleScheme(scheme.weights, scheme.activations)
        self._layers = {pattern: _of(scheme.of_layer(pattern)) for pattern in scheme.layers}
        known = {path for own in names for name in own for path in _containing(name)} - {""}
        for pattern in scheme.layers:
            if not any(fnmatchcase(path, pattern) for path in known):
                raise ConfigError(
                    f"{where}: layers: the pattern '{pattern}' matches no module of the program"
                    f"{nearest(pattern, known)}"
                )

    def at(self, *names: str) -> ModuleScheme:
        """What holds for an operator that goes by `names`."""
        paths = {path for name in names for path in _containing(name)}
        found = self._default
        for pattern, override in self._layers.items():
            if any(fnmatchcase(path, pattern) for path in paths):
                found = override
        return found


def _of(layer: LayerScheme | None) -> ModuleScheme:
    return ModuleScheme(None, None, is_exempt=True) if layer is None else ModuleScheme(layer.weights, layer.activations)


def _containing(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
