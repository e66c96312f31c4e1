"""Linear layers whose input is rotated at run time, and their weight the other way round: (W Q) (Q^T x) = W x."""

from collections.abc import Mapping
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.rotation.rotation import Rotation, online_rotation


class InputRotation(nn.Module):
    """Multiplies the last dimension by a Hadamard matrix, factor by factor.

    Width and seed decide it: the factors are buffers that no checkpoint holds, and modules share them.

    Attributes:
        width: of the last dimension.
        seed: of the signs.
        orders: of the factors; their product divides `width`.
    """

    def __init__(self, width: int, seed: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.width, self.seed = width, seed
        matrices = _factors(width, seed, dtype)
        self.orders = tuple(len(matrix) for matrix in matrices)
        for index, matrix in enumerate(matrices):
            self.register_buffer(f"factor{index}", matrix, persistent=False)

    @property
    def multiply_adds(self) -> int:
        """For each vector."""
        return self.width * sum(self.orders)

    @property
    def rotation(self) -> Rotation:
        """The same in float64, for weights."""
        return online_rotation(self.width, self.seed)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] -> [..., width]."""
        after = int(torch.Size(self.orders).numel())
        for index, order in enumerate(self.orders):
            matrix, after = self.get_buffer(f"factor{index}"), after // order
            if order == self.width:
                return x @ matrix
            if after == 1:
                x = (x.unflatten(-1, (self.width // order, order)) @ matrix).flatten(-2)
            else:
                runs = x.unflatten(-1, (self.width // (order * after), order, after))
                x = (runs.mT @ matrix).mT.flatten(-3)
        return x

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"{self.width}, seed={self.seed}, orders={self.orders}"


@cache
def _factors(width: int, seed: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(matrix.to(dtype) for matrix in online_rotation(width, seed).orthogonal)


class RotatedLinear(nn.Linear):
    """`nn.Linear` behind a rotation; its weight is that of the rotated input."""

    rotation: InputRotation

    def forward(self, input: Tensor) -> Tensor:
        """input [..., in_features] -> [..., out_features]."""
        return self.multiply(self.rotation(input))

    def multiply(self, rotated: Tensor) -> Tensor:
        """The multiplication by the weight, of an input that is rotated."""
        return functional.linear(rotated, self.weight, self.bias)


def refusal(module: nn.Module) -> str | None:
    """Why the input of a module cannot be rotated, or None where it can."""
    if type(module) is not nn.Linear:
        return f"{type(module).__name__} is no plain Linear"
    if online_rotation(module.in_features, 0).width == 1:
        return f"no Hadamard matrix is known here whose order divides {module.in_features}"
    return None


def behind_rotation(module: nn.Linear, seed: int) -> RotatedLinear:
    """Make a Linear a RotatedLinear in place; its weight, which stays as it is, must be that of the rotated input."""
    rotation = InputRotation(module.in_features, seed, module.weight.dtype)
    module.__class__ = RotatedLinear
    made = cast(RotatedLinear, module)
    made.rotation = rotation if module.weight.is_meta else rotation.to(module.weight.device)
    return made


def without_rotation(module: RotatedLinear) -> nn.Linear:
    """The inverse of `behind_rotation`."""
    del module.rotation
    module.__class__ = nn.Linear  # type: ignore[assignment]
    return module


def seed_of(module: nn.Module) -> int | None:
    """The seed of the rotation of a float layer's input; None where it is not rotated."""
    return module.rotation.seed if isinstance(module, RotatedLinear) else None


def rotated_modules(model: nn.Module) -> Mapping[str, RotatedLinear]:
    """The float layers of `model` whose input is rotated, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, RotatedLinear)}
