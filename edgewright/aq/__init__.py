"""Weight quantization: transforms, then a rounder, one algorithm a file. See `edgewright.aq.contract`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.aq.checkpoint import save
    from edgewright.aq.driver import quantize
    from edgewright.aq.report import QuantizedModel

_HOMES = {
    "quantize": "edgewright.aq.driver",
    "save": "edgewright.aq.checkpoint",
    "QuantizedModel": "edgewright.aq.report",
}


def __getattr__(name: str) -> Any:
    # Not imported until used: checking a recipe's names must not load torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


__all__ = ["QuantizedModel", "quantize", "save"]
