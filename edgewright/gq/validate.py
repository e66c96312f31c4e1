"""What can be said about a scheme before anything is computed."""

from edgewright import registry
from edgewright.config import GqScheme
from edgewright.errors import ConfigError
from edgewright.gq import calibration, corrections, rounding
from edgewright.gq.search import COSTS, methods
from edgewright.targets import Target, check_scheme


def check(target: Target, scheme: GqScheme, where: str) -> None:
    """Refuse a scheme that the target cannot run, or whose calibration method or options do not exist.

    Takes milliseconds and does not import torch.

    Args:
        target: the target.
        scheme: an entry of `gq` in params.yaml.
        where: its key, the start of a message.

    Raises:
        ConfigError: one line with what is wrong and what would be right.
    """
    check_scheme(target, scheme, where)
    check_methods(scheme, where)
    check_corrections(scheme, where)


def check_methods(scheme: GqScheme, where: str) -> None:
    """Refuse a method of calibration or search, an option of it, or a cost, that does not exist.

    Raises:
        ConfigError: the nearest existing name is given.
    """
    for key, activations in scheme.all_activations.items():
        if activations.mode == "static":
            method, place = activations.calibration, f"{where}.{key}.calibration"
            calibration.load(method.method, method.options, place)
            for pattern, item in method.tensors.items():
                if item.method is not None:
                    calibration.load(item.method, item.options, f"{place}.tensors.{pattern}")
    if scheme.search is not None:
        methods.options_of(scheme.search, f"{where}.search")
        if scheme.search.cost_file is None:
            registry.module(COSTS, scheme.search.cost)


def check_corrections(scheme: GqScheme, where: str) -> None:
    """Refuse a rounding method, an option of it, or a correction that does not exist or is named twice.

    Raises:
        ConfigError: the nearest existing name is given.
    """
    layers = {f"{where}.layers.{key}": scheme.of_layer(key) for key in scheme.layers}
    for place, found in ((where, scheme), *layers.items()):
        weights = None if found is None else found.weights
        if weights is not None and weights.rounding is not None:
            rounding.load(weights.rounding.method, weights.rounding.options, f"{place}.weights.rounding")
    for index, name in enumerate(scheme.corrections):
        try:
            registry.module(corrections.PACKAGE, name)
        except ConfigError as error:
            raise ConfigError(f"{where}.corrections: {error}") from None
        if name in scheme.corrections[:index]:
            raise ConfigError(f"{where}.corrections: '{name}' is named twice")
