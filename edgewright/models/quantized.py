"""Modules whose weights are integers."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.errors import InputError
from edgewright.ir.operators import register
from edgewright.models import rotated
from edgewright.models.rotated import InputRotation, RotatedLinear
from edgewright.rotation.rotation import online_rotation
from edgewright.rounding import Grid, QuantizedWeight


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How a module's weight is stored.

    Attributes:
        grid: the integers and their groups.
        shape: of the float weight, [out, in] or [out, in / groups, height, width].
        float_zero_point: the zero points are float32 and not integers of the grid.
        permuted: the columns are stored in another order than the module's inputs have (GPTQ with activation
            order), so that those of a group lie together.
        rotation: the seed of the rotation of the module's input (`edgewright.models.rotated`); None if it has none.
    """

    grid: Grid
    shape: tuple[int, ...]
    float_zero_point: bool = False
    permuted: bool = False
    rotation: int | None = None

    @property
    def columns(self) -> int:
        """Columns of the weight as a matrix [out, columns]; a kernel is flattened."""
        return int(torch.Size(self.shape[1:]).numel())

    @property
    def padded(self) -> int:
        """`columns` filled up to whole groups."""
        return self.grid.groups(self.columns) * self.grid.width(self.columns)

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape of the integer tensor: the float weight's per channel, [out, padded] in groups."""
        return self.shape if self.grid.group is None else (self.shape[0], self.padded)


class _Quantized(nn.Module):
    """Integer weight and its dequantization.

    Buffers: `weight` int8 of shape `format.stored`, `weight_scale` float32 [out, groups], `weight_zero_point`
    int8 (or float32) [out, groups]; a ragged last group is filled up with columns of 0 that nothing reads.
    Of a permuted Linear also `weight_order` int64 [in], the input that each stored column multiplies.
    """

    format: WeightFormat

    def _store(self, weight_format: WeightFormat) -> None:
        register()
        self.format = weight_format
        parameters = (weight_format.shape[0], weight_format.grid.groups(weight_format.columns))
        kind = torch.float32 if weight_format.float_zero_point else torch.int8
        self.register_buffer("weight", torch.zeros(weight_format.stored, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(parameters))
        self.register_buffer("weight_zero_point", torch.zeros(parameters, dtype=kind))
        if weight_format.permuted:
            self.register_buffer("weight_order", torch.arange(weight_format.columns))

    def assign(self, weight: QuantizedWeight, order: Tensor | None = None) -> None:
        """Take over integers [out, columns] and parameters [out, groups] that fit `format`.

        Args:
            weight: its columns in stored order.
            order: int64 [in], the input of each stored column, where `format` is permuted.
        """
        if order is not None:
            self.weight_order = order
        missing = self.format.padded - self.format.columns
        integers = functional.pad(weight.integers, (0, missing))
        self.weight = integers.reshape(self.format.stored).contiguous()
        self.weight_scale = weight.scale.to(torch.float32).contiguous()
        self.weight_zero_point = weight.zero_point.contiguous()

    def quantized(self) -> QuantizedWeight:
        """The integers as a matrix [out, columns] in stored order, without the columns that fill up a group."""
        matrix = self.weight.reshape(self.format.shape[0], -1)[:, : self.format.columns]
        return QuantizedWeight(matrix, self.weight_scale, self.weight_zero_point, self.format.grid)

    def float_weight(self) -> Tensor:
        """The float32 weight that the integers stand for, of shape `format.shape`.

        Its columns are in the module's order, and take the input as it is before the module rotates it.
        """
        matrix = self.quantized().dequantize()
        if self.format.permuted:
            matrix = matrix.index_select(1, torch.argsort(self.weight_order))
        if self.format.rotation is not None:
            matrix = online_rotation(self.format.columns, self.format.rotation).undo(matrix)
        return matrix.reshape(self.format.shape)

    def dequantized(self) -> Tensor:
        """The float weight of shape `format.stored`, one dequantize operator of the graph."""
        grid, stored = self.format.grid, self.format.stored
        block = [1, *stored[1:]] if grid.group is None else [1, grid.group]
        value = torch.ops.torchao.dequantize_affine(
            self.weight, block, self.weight_scale, self.weight_zero_point, torch.int8, grid.qmin, grid.qmax
        )
        return cast(Tensor, value)


class QuantizedLinear(_Quantized):
    """`nn.Linear` on an integer weight: dequantize, then linear.

    With a ragged last group the input, and not the dequantized weight, is filled up, so that constant,
    dequantize and linear stay next to each other for the kernels that take them as one. For the same reason it
    is the input whose channels are reordered where the columns are permuted. A rotation comes before all that.
    """

    def __init__(
        self, weight_format: WeightFormat, bias: nn.Parameter | None, rotation: InputRotation | None = None
    ) -> None:
        super().__init__()
        self._store(weight_format)
        self.out_features, self.in_features = weight_format.shape
        self.register_parameter("bias", bias)
        if rotation is None and weight_format.rotation is not None:
            rotation = InputRotation(self.in_features, weight_format.rotation)
        self.rotation = rotation

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] float32 -> [..., out_features] float32."""
        if self.rotation is not None:
            x = self.rotation(x)
        if self.format.permuted:
            x = x.index_select(-1, self.weight_order)
        missing = self.format.padded - self.in_features
        filled = functional.pad(x, (0, missing)) if missing else x
        return functional.linear(filled, self.dequantized(), cast("Tensor | None", self.bias))

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.format.grid}"


class QuantizedConv2d(_Quantized, nn.Conv2d):
    """`nn.Conv2d` on an integer weight: dequantize, then conv2d."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        matrix = self.dequantized()
        if matrix.shape != self.format.shape:
            matrix = matrix[:, : self.format.columns].reshape(self.format.shape)
        return super()._conv_forward(input, matrix, bias)

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"{nn.Conv2d.extra_repr(self)}, {self.format.grid}"


class QuantizedEmbedding(_Quantized):
    """`nn.Embedding` on an integer weight: gather the integers and parameters of the rows, then dequantize them.

    In plain arithmetic and not by the dequantize operator, which kernels know as the weight of a layer only.
    """

    def __init__(self, weight_format: WeightFormat) -> None:
        super().__init__()
        self._store(weight_format)
        self.num_embeddings, self.embedding_dim = weight_format.shape

    def forward(self, ids: Tensor) -> Tensor:
        """ids [...] int64 -> [..., embedding_dim] float32."""
        scale = self.weight_scale[ids]
        rows = self.weight[ids].to(scale.dtype).unflatten(-1, (scale.shape[-1], -1))
        if not self.format.grid.symmetric:
            rows = rows - self.weight_zero_point[ids].to(scale.dtype).unsqueeze(-1)
        return (rows * scale.unsqueeze(-1)).flatten(-2)[..., : self.embedding_dim]

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"{self.num_embeddings}, {self.embedding_dim}, {self.format.grid}"


QuantizedModule = QuantizedLinear | QuantizedConv2d | QuantizedEmbedding


def quantized_modules(model: nn.Module) -> dict[str, QuantizedModule]:
    """The modules of `model` whose weights are integers, by name, in the order of the model."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedModule)}


def embedding_refusal(module: nn.Module) -> str | None:
    """Why the module cannot be replaced by a quantized embedding, or None where it can."""
    if not isinstance(module, nn.Embedding):
        return f"{type(module).__name__} is no Embedding"
    if type(module).forward is not nn.Embedding.forward:
        return "its class overrides the forward of Embedding"
    return "it renormalizes its rows (max_norm)" if module.max_norm is not None else None


def refusal(module: nn.Module) -> str | None:
    """Why the Linear or Conv2d cannot be replaced by its quantized form, or None where it can."""
    if isinstance(module, QuantizedModule):
        return "it is already quantized"
    if isinstance(module, nn.Linear):
        is_own = type(module).forward is nn.Linear.forward or type(module) is RotatedLinear
        return None if is_own else "its class overrides the forward of Linear"
    if isinstance(module, nn.Conv2d):
        is_own = type(module)._conv_forward is nn.Conv2d._conv_forward
        return None if is_own else "its class overrides the convolution of Conv2d"
    return f"{type(module).__name__} has no quantized form"


def replace(model: nn.Module, name: str, weight_format: WeightFormat) -> QuantizedModule:
    """Put a quantized module with zero weights in the place of the Linear, Conv2d or Embedding `name` of `model`.

    The module is replaced under every name that it has. The bias stays. A Conv2d of a derived class keeps the rest of
    its class's behaviour (its own padding).

    Raises:
        InputError: there is no such module, it cannot be replaced, its weight has another shape, or its input is
            rotated in another way.
    """
    try:
        module = model.get_submodule(name)
    except AttributeError as error:
        raise InputError(f"{name}: the model has no such module") from error
    reason = embedding_refusal(module) if isinstance(module, nn.Embedding) else refusal(module)
    if reason is not None:
        raise InputError(f"{name}: {reason}; skip it under layers")
    if tuple(cast(Tensor, module.weight).shape) != weight_format.shape:
        raise InputError(
            f"{name}: weight of shape {list(cast(Tensor, module.weight).shape)} in the model, "
            f"{list(weight_format.shape)} in the checkpoint"
        )
    seed = rotated.seed_of(module)
    if seed is not None and seed != weight_format.rotation:
        raise InputError(f"{name}: its input is rotated (seed {seed}) in the model, and not so in the checkpoint")
    new = converted(module, weight_format)
    new.train(module.training)
    # A module may be held under several names.
    for parent in model.modules():
        for leaf, child in parent._modules.items():
            if child is module:
                parent._modules[leaf] = new
    return new


def converted(module: nn.Module, weight_format: WeightFormat) -> QuantizedModule:
    """The quantized form of a Linear, Conv2d or Embedding, with zero weights and its bias."""
    if isinstance(module, nn.Embedding):
        return QuantizedEmbedding(weight_format)
    if isinstance(module, nn.Linear):
        rotation = module.rotation if isinstance(module, RotatedLinear) else None
        return QuantizedLinear(weight_format, cast("nn.Parameter | None", module.bias), rotation)
    return _conv(module, weight_format)


def _conv(module: nn.Module, weight_format: WeightFormat) -> QuantizedConv2d:
    cls = type(module)
    own = QuantizedConv2d
    if cls is not nn.Conv2d:
        own = cast("type[QuantizedConv2d]", type(f"Quantized{cls.__name__}", (QuantizedConv2d, cls), {}))
    new = own.__new__(own)
    new.__dict__ = dict(module.__dict__)
    for store in ("_parameters", "_buffers", "_modules"):
        new.__dict__[store] = dict(module.__dict__[store])
    del new._parameters["weight"]
    new._store(weight_format)
    return new
