"""Samples that break careless rules: special values, small and large magnitudes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

_SHARE = 0.25


def _limits(dtype: torch.dtype) -> torch.finfo:
    return torch.finfo(dtype)


_VALUES: dict[str, Callable[[torch.dtype], Sequence[float]]] = {
    "zero": lambda dtype: (0.0, -0.0),
    "denormal": lambda dtype: (_limits(dtype).tiny / 4, -_limits(dtype).tiny / 1024, _limits(dtype).tiny),
    "half": lambda dtype: (0.5, -0.5, 1.5, -2.5, 3.0, -3.0, 6.0),
    "large": lambda dtype: (_limits(dtype).max, -_limits(dtype).max, _limits(dtype).max**0.5),
    "infinity": lambda dtype: (float("inf"), -float("inf")),
    "nan": lambda dtype: (float("nan"),),
}

SCALES = (1.0, 1e-3, 30.0)
"""Standard deviations of the random samples."""


def random(like: torch.Tensor, batch: int, scale: float, rng: np.random.Generator) -> torch.Tensor:
    """Normal values of the shape of `like` with `batch` rows; integers and booleans are rows drawn from `like`."""
    shape = (batch, *like.shape[1:])
    if not like.is_floating_point():
        return like[torch.from_numpy(rng.integers(0, len(like), batch))]
    return torch.from_numpy(rng.normal(0.0, scale, shape)).to(like.dtype)


def plant(values: torch.Tensor, kind: str, rng: np.random.Generator) -> torch.Tensor:
    """A copy of `values` with about a quarter of the elements replaced by special ones of a kind.

    Args:
        values: [batch, ...]; only floating types are changed.
        kind: one of `edgewright.go.rule.SPECIALS`.
        rng: decides where.
    """
    if not values.is_floating_point():
        return values
    choices = torch.tensor(_VALUES[kind](values.dtype), dtype=torch.float64).to(values.dtype)
    picked = choices[torch.from_numpy(rng.integers(0, len(choices), tuple(values.shape)))]
    return torch.where(torch.from_numpy(rng.random(tuple(values.shape)) < _SHARE), picked, values)
