"""Plain float32 weights that have the values of the integers: any program that reads the float model reads them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from edgewright.models import conv1d
from edgewright.models.checkpoints import _common
from edgewright.models.quantized import QuantizedModule, quantized_modules
from edgewright.models.rotated import rotated_modules


def refusal(module: QuantizedModule) -> str | None:
    """It holds every layer."""
    return None


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """The state of the float model, with the names and shapes that transformers has."""
    found = _common.others(model)
    for name, rotated in rotated_modules(model).items():
        found[f"{name}.weight"] = rotated.rotation.rotation.undo(rotated.weight.detach())
    for name, module in quantized_modules(model).items():
        found[f"{name}.weight"] = module.float_weight()
    for name in conv1d.original_names(model):
        found[f"{name}.weight"] = found[f"{name}.weight"].mT.contiguous()
    return found


def configuration(model: nn.Module) -> None:
    """A float model has none."""


def documents(model: nn.Module) -> Mapping[str, Any]:
    """Nothing beside the weights."""
    return {}
