"""What weight quantization did to each layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log10
from typing import Any, Literal

import torch
from torch import Tensor, nn

from edgewright.aq.block import Layer
from edgewright.aq.contract import Skipped
from edgewright.aq.statistics import Statistics
from edgewright.models.quantized import WeightFormat
from edgewright.rounding import QuantizedWeight, min_max, quantize

ROWS = 256
"""Outputs of a layer that its error is measured on: the whole of a wide layer would cost more than quantizing it."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """A row of `modules` in layers.json.

    Attributes:
        module: path of the layer; `cls` is the name of its class.
        bits, group, symmetric: its grid.
        algorithm: the transforms that changed it and its rounder, joined by `+`.
        weight_mse: mean squared difference between rounded and (transformed) float weights.
        output_mse: mean squared output error on the calibration sample (where no algorithm reads it, on as many
            samples of it, 8 at most, as give each layer `INPUTS` vectors) over `ROWS` outputs at most, evenly spaced,
            with the input that the layer had when it was rounded; None where nothing is known of it.
        output_snr_db: power of the float output (without bias) over `output_mse`; None where that is 0.
        rtn_output_mse, rtn_output_snr_db: those of plain rounding to nearest on the same grid without transforms.
            Where a transform scaled the outputs, only the two in dB can be compared. A rotation of the whole model
            comes before all that is measured: it is in both.
        zero_channels: output channels whose weights are all 0; they are exact.
        failure: why its algorithm could not quantize it, where `on_failure` let rounding to nearest do so.
    """

    module: str
    cls: str
    format: str
    bits: int
    group: int | None
    symmetric: bool
    algorithm: str
    weight_mse: float
    output_mse: float | None
    output_snr_db: float | None
    rtn_output_mse: float | None
    rtn_output_snr_db: float | None
    zero_channels: int
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A layer that its algorithm could not quantize, and what became of it by `on_failure`."""

    module: str
    reason: str
    became: Literal["rtn", "float"]


@dataclass(frozen=True, slots=True)
class TransformReport:
    """Layers that a transform changed, those that it had to leave with the reason, and what else it says of them."""

    layers: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A model whose layers have integer weights.

    Attributes:
        module: the model; it runs and exports.
        formats: how each quantized layer is stored, by path.
        layers: what was measured, in the order of the model's modules.
        skipped: layers that stayed float.
        transforms: what each transform of the recipe did.
        failures: layers that the algorithm could not quantize, and what became of them: `rtn` or `float`.
        device: what the arithmetic ran on.
    """

    module: nn.Module
    formats: Mapping[str, WeightFormat]
    layers: tuple[LayerReport, ...]
    skipped: tuple[Skipped, ...]
    transforms: Mapping[str, TransformReport]
    failures: tuple[Failure, ...] = ()
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class OutputError:
    """Mean squared error of a layer's outputs, its signal-to-noise ratio, and the mean square of the float outputs.

    None where it is not known; the ratio also where the error is 0.
    """

    mse: float | None = None
    snr_db: float | None = None
    power: float | None = None


def output_error(
    layer: Layer, weight: QuantizedWeight, statistics: Statistics, power: float | None = None
) -> OutputError:
    """The error that the integers make in the outputs of the float layer, over `ROWS` outputs at most.

    `power` is the mean square of its outputs, where that is known already.
    """
    if statistics.tokens == 0:
        return OutputError()
    rows = _measured(layer, statistics)
    part = QuantizedWeight(weight.integers[rows], weight.scale[rows], weight.zero_point[rows], weight.grid)
    return _error(layer.matrix[rows], part, statistics, power)


def rtn_error(layer: Layer, statistics: Statistics) -> OutputError:
    """The same of plain rounding to nearest."""
    if statistics.tokens == 0:
        return OutputError()
    matrix = layer.matrix[_measured(layer, statistics)]
    return _error(matrix, quantize(matrix, *min_max(matrix, layer.grid), layer.grid), statistics, None)


def _error(matrix: Tensor, weight: QuantizedWeight, statistics: Statistics, power: float | None) -> OutputError:
    error = float(statistics.output_error(weight.dequantize() - matrix))
    power = float(statistics.output_error(matrix)) if power is None else power
    return OutputError(error, 10 * log10(power / error) if error > 0 and power > 0 else None, power)


def _measured(layer: Layer, statistics: Statistics) -> Tensor:
    """Rows of the weight matrix that its error is measured on: of each weight group as many, evenly spaced."""
    rows = torch.arange(len(layer.weight))
    return rows.reshape(statistics.groups, -1)[:, :: -(-len(rows) // ROWS)].flatten()


def measure(
    layer: Layer, weight: QuantizedWeight, own: OutputError, rtn: OutputError, algorithms: tuple[str, ...],
    failure: str | None = None,
) -> LayerReport:  # fmt: skip
    """The row of a layer; `rtn` is the error of plain rounding."""
    matrix = layer.matrix
    difference = weight.dequantize() - matrix
    return LayerReport(
        module=layer.name,
        cls=type(layer.module).__name__,
        format=weight.grid.format,
        bits=weight.grid.bits,
        group=weight.grid.group,
        symmetric=weight.grid.symmetric,
        algorithm="+".join(algorithms),
        weight_mse=float(difference.square().mean()),
        output_mse=own.mse,
        output_snr_db=own.snr_db,
        rtn_output_mse=rtn.mse,
        rtn_output_snr_db=rtn.snr_db,
        zero_channels=int((matrix == 0).all(1).sum()),
        failure=failure,
    )


def describe(model: QuantizedModel) -> dict[str, Any]:
    """The content of layers.json."""
    rows = [asdict(row) for row in model.layers]
    return {
        "schema": 1,
        "modules": [{("class" if key == "cls" else key): value for key, value in row.items()} for row in rows],
        "skipped": [asdict(item) for item in model.skipped],
        "failures": [asdict(item) for item in model.failures],
        "provenance": {"device": model.device},
        "transforms": {
            name: {
                "layers": len(item.layers),
                "skipped": [asdict(skipped) for skipped in item.skipped],
                "notes": list(item.notes),
            }
            for name, item in model.transforms.items()
        },
    }
