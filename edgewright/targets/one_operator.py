"""A Program of one operator in the form of a kernel of a capability map: bits, granularity, symmetry, scales."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from edgewright import ir
from edgewright.rounding import Grid, min_max, quantize
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights

IMAGE = (1, 8, 8, 8)
"""Shape of an input where an example names none."""

_HIGH, _GROUP = 4.0, 32


@dataclass(frozen=True, slots=True)
class Example:
    """A call of one operator: shapes of its inputs with the batch of 1, and of its weight if it has one.

    Inputs are uniform between `low` and 4: 1 for operators with a pole or an edge at 0. `axis` is the weight's axis
    of output channels.
    """

    call: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)
    weight: tuple[int, ...] | None = None
    low: float = -_HIGH
    axis: int = 0


def one_operator(
    example: Example, kernel: Kernel | None, shared: bool, fused: Example | None = None
) -> tuple[ExportedProgram, tuple[NDArray[Any], ...], float | None]:
    """A Program of one operator in float or QDQ form, inputs for it, and its output's quantization step.

    Args:
        example: the call.
        kernel: the form; None is float.
        shared: the output has the parameters of the input.
        fused: a call on the result, with no pair between.
    """
    ir.register()
    generator = np.random.default_rng(0)
    inputs = tuple(generator.uniform(example.low, _HIGH, shape).astype(np.float32) for shape in example.shapes)
    module = _OneOperator(example, kernel, shared, fused, [torch.from_numpy(item) for item in inputs]).eval()
    with torch.no_grad():
        program = torch.export.export(module, tuple(torch.from_numpy(item) for item in inputs))
    return program, inputs, module.step


@dataclass(frozen=True, slots=True)
class _Activations:
    """Signed integers of the form's width: limits, and parameters that hold a range."""

    form: KernelActivations

    @property
    def qmin(self) -> int:
        return -(1 << (self.form.bits - 1))

    @property
    def qmax(self) -> int:
        return (1 << (self.form.bits - 1)) - 1

    @property
    def dtype(self) -> torch.dtype:
        return torch.int8 if self.form.bits <= torch.iinfo(torch.int8).bits else torch.int16

    def spanning(self, low: float, high: float) -> tuple[float, int]:
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max(-low, high) / self.qmax if self.form.symmetric else (high - low) / (self.qmax - self.qmin)
        scale = scale or 1.0
        if self.form.power_of_two:
            scale = 2.0 ** math.ceil(math.log2(scale))
        if self.form.symmetric:
            return scale, 0
        return scale, max(self.qmin, min(self.qmax, round(self.qmin - low / scale)))

    def pair(self, value: Tensor, scale: float, zero_point: int) -> Tensor:
        decomposed = torch.ops.quantized_decomposed
        parameters = (scale, zero_point, self.qmin, self.qmax, self.dtype)
        return cast(
            Tensor, decomposed.dequantize_per_tensor(decomposed.quantize_per_tensor(value, *parameters), *parameters)
        )

    def per_token(self, value: Tensor) -> Tensor:
        ops = torch.ops.torchao
        block = [1] * (value.dim() - 1) + [value.shape[-1]]
        kind = "SYMMETRIC" if self.form.symmetric else "ASYMMETRIC"
        ends = (self.dtype, self.qmin, self.qmax)
        scale, zero_point = ops.choose_qparams_affine(value, kind, block, *ends, None, torch.float32, self.dtype)
        quantized = ops.quantize_affine(value, block, scale, zero_point, *ends)
        return cast(Tensor, ops.dequantize_affine(quantized, block, scale, zero_point, *ends))


class _OneOperator(nn.Module):
    def __init__(
        self, example: Example, kernel: Kernel | None, shared: bool, fused: Example | None, inputs: list[Tensor]
    ) -> None:
        super().__init__()
        self.example, self.fused = example, fused
        self.shared = shared
        self.weights = kernel.weights if kernel else None
        self.activations = _Activations(kernel.activations) if kernel and kernel.activations else None
        generator = torch.Generator().manual_seed(0)
        if example.weight is not None:
            weight = torch.randn(example.weight, generator=generator) * 0.1
            self.register_buffer("bias", torch.randn(example.weight[example.axis], generator=generator))
            self.register_buffer("weight", weight)
            if self.weights is not None:
                self._quantize_weight(weight, self.weights)
        self.input, self.output, self.step = (1.0, 0), cast(tuple[float, int] | None, None), cast(float | None, None)
        if self.activations is None:
            return
        if self.is_static:
            # The range of the values themselves, as calibration gives it.
            ends = [end for item in inputs for end in (float(item.min()), float(item.max()))]
            self.input = self.activations.spanning(min(ends), max(ends))
        with torch.no_grad():
            result = self.forward(*inputs)
        if self.is_static:
            span = self.activations.spanning(float(result.min()), float(result.max()))
            self.output = self.input if shared else span
            self.step = self.output[0]
        else:
            self.step = float(result.abs().max()) / self.activations.qmax

    @property
    def is_static(self) -> bool:
        return self.activations is not None and self.activations.form.mode == "static"

    def _quantize_weight(self, weight: Tensor, form: KernelWeights) -> None:
        group = (form.group_multiple or _GROUP) if form.granularity == "group" else None
        self.grid = Grid(form.bits, form.symmetric, group, power_of_two=form.power_of_two)
        moved = weight.movedim(self.example.axis, 0)
        matrix = moved.reshape(1, -1) if form.granularity == "tensor" else moved.flatten(1)
        found = quantize(matrix, *min_max(matrix, self.grid), self.grid)
        integers = found.integers.reshape(moved.shape).movedim(0, self.example.axis).contiguous()
        self.register_buffer("weight", integers)
        if form.granularity == "tensor":
            self.tensor_parameters = float(found.scale), int(found.zero_point)
            return
        flat = (lambda tensor: tensor) if group else torch.flatten
        self.register_buffer("scale", flat(found.scale))
        self.register_buffer("zero_point", flat(found.zero_point.to(self.grid.dtype if group else torch.int64)))

    def _weight(self) -> Tensor:
        weight = cast(Tensor, self.weight)
        if self.weights is None:
            return weight
        decomposed, grid = torch.ops.quantized_decomposed, self.grid
        ends: tuple[Any, ...] = (grid.qmin, grid.qmax, grid.dtype)
        if grid.group is not None:
            block = [1, grid.group]
            arguments: tuple[Any, ...] = (weight, block, self.scale, self.zero_point, grid.dtype, grid.qmin, grid.qmax)
            return cast(Tensor, torch.ops.torchao.dequantize_affine(*arguments))
        if self.weights.granularity == "tensor":
            return cast(Tensor, decomposed.dequantize_per_tensor(weight, *self.tensor_parameters, *ends))
        parts = (weight, self.scale, self.zero_point, self.example.axis)
        return cast(Tensor, decomposed.dequantize_per_channel(*parts, *ends))

    def forward(self, *inputs: Tensor) -> Tensor:
        tensors = list(inputs)
        if self.activations is not None and self.is_static:
            pair = self.activations.pair
            tensors = [pair(item, *self.input) for item in tensors]
            if self.shared:
                # A neighbour that computes: a delegate of data movement alone may be refused as empty.
                tensors = [pair(F.relu(item), *self.input) for item in tensors]
        elif self.activations is not None:
            tensors = [self.activations.per_token(item) for item in tensors]
        if self.example.weight is not None:
            tensors += [self._weight(), cast(Tensor, self.bias)]
        result = self.example.call(*tensors)
        if self.fused is not None:
            result = self.fused.call(result)
        if self.activations is None or self.output is None:
            return result
        return self.activations.pair(result, *self.output)
