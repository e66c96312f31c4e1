"""What weight quantization did to each layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log10
from typing import Any

from torch import nn

from edgewright.aq.block import Layer
from edgewright.aq.contract import Skipped
from edgewright.aq.statistics import Statistics
from edgewright.models.quantized import WeightFormat
from edgewright.rounding import QuantizedWeight


@dataclass(frozen=True, slots=True)
class LayerReport:
    """A row of `modules` in layers.json.

    Attributes:
        module: path of the layer; `cls` is the name of its class.
        bits, group, symmetric: its grid.
        algorithm: the transforms that changed it and its rounder, joined by `+`.
        weight_mse: mean squared difference between rounded and (transformed) float weights.
        output_mse: mean squared output error on the calibration sample, the layer's input being float.
        output_snr_db: power of the float output (without bias) over `output_mse`; None where that is 0.
        rtn_output_mse: `output_mse` of plain rounding to nearest on the same grid.
        zero_channels: output channels whose weights are all 0; they are exact.
    """

    module: str
    cls: str
    bits: int
    group: int | None
    symmetric: bool
    algorithm: str
    weight_mse: float
    output_mse: float
    output_snr_db: float | None
    rtn_output_mse: float
    zero_channels: int


@dataclass(frozen=True, slots=True)
class TransformReport:
    """Layers that a transform changed, and those that it had to leave, with the reason."""

    layers: tuple[str, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A model whose layers have integer weights.

    Attributes:
        module: the model; it runs and exports.
        formats: how each quantized layer is stored, by path.
        layers: what was measured, in the order of the model's modules.
        skipped: layers that stayed float.
        transforms: what each transform of the recipe did.
    """

    module: nn.Module
    formats: Mapping[str, WeightFormat]
    layers: tuple[LayerReport, ...]
    skipped: tuple[Skipped, ...]
    transforms: Mapping[str, TransformReport]


def measure(
    layer: Layer, weight: QuantizedWeight, statistics: Statistics, rtn_output_mse: float, algorithms: tuple[str, ...]
) -> LayerReport:
    """The row of a layer, from statistics of its input."""
    matrix = layer.matrix
    difference = weight.dequantize() - matrix
    output_mse, power = float(statistics.output_error(difference)), float(statistics.output_error(matrix))
    return LayerReport(
        module=layer.name,
        cls=type(layer.module).__name__,
        bits=weight.grid.bits,
        group=weight.grid.group,
        symmetric=weight.grid.symmetric,
        algorithm="+".join(algorithms),
        weight_mse=float(difference.square().mean()),
        output_mse=output_mse,
        output_snr_db=10 * log10(power / output_mse) if output_mse > 0 and power > 0 else None,
        rtn_output_mse=rtn_output_mse,
        zero_channels=int((matrix == 0).all(1).sum()),
    )


def describe(model: QuantizedModel) -> dict[str, Any]:
    """The content of layers.json."""
    rows = [asdict(row) for row in model.layers]
    return {
        "schema": 1,
        "modules": [{("class" if key == "cls" else key): value for key, value in row.items()} for row in rows],
        "skipped": [asdict(item) for item in model.skipped],
        "transforms": {
            name: {"layers": len(item.layers), "skipped": [asdict(skipped) for skipped in item.skipped]}
            for name, item in model.transforms.items()
        },
    }
