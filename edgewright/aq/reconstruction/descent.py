"""How far a parameter moves for its gradient, independent of the gradient's length."""

from typing import Protocol

import torch
from torch import Tensor

_MOMENTUM, _MEMORY = 0.9, 0.99


class Direction(Protocol):
    """Turns the gradient of one parameter, step after step, into the direction of a step; it is subtracted."""

    def __call__(self, gradient: Tensor) -> Tensor: ...


class Sign:
    """The sign of the gradient."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """A step, in the shape of the gradient."""
        return torch.sign(gradient)


class Adam:
    """Running mean of the gradient over the root of that of its square: Kingma and Ba 2014, arXiv:1412.6980."""

    def __init__(self) -> None:
        self._steps, self._mean, self._square = 0, torch.zeros(()), torch.zeros(())

    def __call__(self, gradient: Tensor) -> Tensor:
        """A step, in the shape of the gradient; 0 where the gradient has always been."""
        if self._steps == 0:
            self._mean, self._square = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self._steps += 1
        self._mean.lerp_(gradient, 1 - _MOMENTUM)
        self._square.mul_(_MEMORY).addcmul_(gradient, gradient, value=1 - _MEMORY)
        root = (self._square / (1 - _MEMORY**self._steps)).sqrt_()
        return (self._mean / (1 - _MOMENTUM**self._steps)).div_(root.clamp_(min=torch.finfo(root.dtype).tiny))
