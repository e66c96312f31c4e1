"""What weight quantization did to each layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log10
from typing import Any, Literal

from torch import Tensor, nn

from edgewright.aq.block import Layer
from edgewright.aq.contract import Skipped
from edgewright.aq.statistics import Statistics
from edgewright.models.quantized import WeightFormat
from edgewright.rounding import QuantizedWeight

ROWS = 512
"""Outputs of a layer that its error is measured on: the whole of a wide layer would cost more than quantizing it."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """A row of `modules` in layers.json.

    Attributes:
        module: path of the layer; `cls` is the name of its class.
        bits, group, symmetric: its grid.
        algorithm: the transforms that changed it and its rounder, joined by `+`.
        weight_mse: mean squared difference between rounded and (transformed) float weights.
        output_mse: mean squared output error on the calibration sample (one batch of it where no algorithm reads
            it) over `ROWS` outputs at most, evenly spaced, with the input that the layer had when it was rounded;
            None where nothing is known of it.
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


def output_mse(difference: Tensor, statistics: Statistics) -> float:
    """Mean squared output error that weights off by `difference` [out, columns] cause, over `ROWS` outputs at most."""
    rows, columns = difference.shape
    step = -(-rows // ROWS)
    sampled = difference.reshape(statistics.groups, -1, columns)[:, ::step].reshape(-1, columns)
    return float(statistics.output_error(sampled))


@dataclass(frozen=True, slots=True)
class OutputError:
    """Mean squared error of a layer's outputs and its signal-to-noise ratio; None where it is not known, or is 0."""

    mse: float | None = None
    snr_db: float | None = None


def output_error(layer: Layer, weight: QuantizedWeight, statistics: Statistics) -> OutputError:
    """The error that the integers make in the outputs of the float layer."""
    if statistics.tokens == 0:
        return OutputError()
    error = output_mse(weight.dequantize() - layer.matrix, statistics)
    power = output_mse(layer.matrix, statistics)
    return OutputError(error, 10 * log10(power / error) if error > 0 and power > 0 else None)


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
