"""Graph quantization: a Program, a capability map and a scheme give a Program with quantize-dequantize pairs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.gq.encodings import Overrides
    from edgewright.gq.quantizer import Quantized, quantize
    from edgewright.gq.search.precisions import find_precisions

__all__ = ["Overrides", "Quantized", "find_precisions", "quantize"]

_MODULES = {
    "Overrides": "edgewright.gq.encodings",
    "Quantized": "edgewright.gq.quantizer",
    "quantize": "edgewright.gq.quantizer",
    "find_precisions": "edgewright.gq.search.precisions",
}


def __getattr__(name: str) -> Any:
    # On demand, because looking up a calibration method by name imports this package and must not import torch.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
