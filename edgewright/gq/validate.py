"""What can be said about a scheme before anything is computed."""

from edgewright import registry
from edgewright.config import GqScheme
from edgewright.gq import calibration
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
        registry.module(COSTS, scheme.search.cost)
