"""A random rotation of a given width: a signed Hadamard matrix, applied by its factors."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import shake_256

import torch
from torch import Tensor

from edgewright.parallel import ordered_map
from edgewright.rotation.hadamard import factors, small

_WIDEST_FACTOR = 64
"""Small factors are multiplied together up to this order: fewer, larger products are faster."""

_CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Rotation:
    """An orthogonal matrix Q, [width, width].

    Q = diag(s) K, or K diag(s) K^T where it keeps the vector of ones; K is the Kronecker product of `orthogonal`.

    Attributes:
        orthogonal: float64 matrices of small orders.
        signs: s, float64 [width] of +1 and -1.
        keeps_ones: whether 1 Q = 1, so that the mean of a rotated vector is its own: what a LayerNorm subtracts.
        remainder: order of the factor that is random, for no Hadamard matrix of that order is known here; 1 if none.
    """

    orthogonal: tuple[Tensor, ...]
    signs: Tensor
    keeps_ones: bool
    remainder: int

    @property
    def width(self) -> int:
        """Length of the vectors that it rotates."""
        return len(self.signs)

    def apply(self, value: Tensor, axis: int = -1) -> Tensor:
        """Each run of `width` entries along `axis` times Q; computed in float64, in the dtype of `value`."""
        return self._applied(value, axis, self._rows)

    def undo(self, value: Tensor, axis: int = -1) -> Tensor:
        """The inverse of `apply`."""
        return self._applied(value, axis, self._rows_back)

    def dense(self) -> Tensor:
        """Q, float64 [width, width]."""
        return self.apply(torch.eye(self.width, dtype=torch.float64))

    def _applied(self, value: Tensor, axis: int, turn: Callable[[Tensor], Tensor]) -> Tensor:
        moved = value.movedim(axis, -1)
        rows = moved.reshape(-1, self.width)
        chunks = rows.split(max(1, _CHUNK_ELEMENTS // self.width))
        rotated = torch.cat(list(ordered_map(turn, chunks))) if chunks else rows
        return rotated.reshape(moved.shape).movedim(-1, axis).contiguous()

    def _rows(self, given: Tensor) -> Tensor:
        rows = given.to(self.signs)
        if self.keeps_ones:
            return self._product(self._product(rows) * self.signs, transposed=True).to(given)
        return self._product(rows * self.signs).to(given)

    def _rows_back(self, given: Tensor) -> Tensor:
        # K diag(s) K^T is its own inverse.
        if self.keeps_ones:
            return self._rows(given)
        return (self._product(given.to(self.signs), transposed=True) * self.signs).to(given)

    def _product(self, rows: Tensor, transposed: bool = False) -> Tensor:
        """Rows times K^T if `transposed`, else times K."""
        count, after = rows.shape[0], self.width
        for matrix in self.orthogonal:
            after //= len(matrix)
            split = rows.reshape(count, -1, len(matrix), after)
            rows = (split.mT @ (matrix.T if transposed else matrix)).mT.reshape(count, -1)
        return rows


def rotation(width: int, seed: int, keeps_ones: bool = False) -> Rotation:
    """A random rotation of a width.

    Where no Hadamard matrix of the width is known, that of the largest order that divides it is multiplied by a
    random orthogonal matrix of the rest: all entries are still mixed with all others.

    Args:
        width: from 1.
        seed: decides the signs, and the random factor if there is one.
        keeps_ones: make the vector of ones stay as it is.
    """
    generator = torch.Generator().manual_seed(seed)
    order = _largest_order(width)
    matrices = [small(item).to(torch.float64) / item**0.5 for item in factors(order) or ()]
    if order < width:
        matrices.insert(0, _random(width // order, generator))
    joined = _joined(matrices)
    signs = 1.0 - 2.0 * torch.randint(2, (width,), generator=generator, dtype=torch.float64)
    if keeps_ones:
        # With a first column of equal entries in each factor, K maps the ones to the first axis, whose sign stays.
        joined = [matrix * matrix[:, :1].sign() if _is_flat(matrix) else _with_ones(matrix) for matrix in joined]
        signs[0] = 1.0
    return Rotation(tuple(joined), signs, keeps_ones, width // order)


def online_rotation(width: int, seed: int) -> Rotation:
    """The rotation of vectors of `width` at run time, the same wherever it is made: a checkpoint names width and seed.

    Its factors are Hadamard matrices with random signs of their rows, and it has no signs beside. Its own width is
    the largest one with a Hadamard matrix here that divides `width`, so that it acts on runs; 1 if there is none.
    """
    order = _largest_order(width)
    joined = _joined(small(item).to(torch.float64) / item**0.5 for item in factors(order) or ())
    turned = tuple(matrix * _signs(f"{seed} {place}", len(matrix))[:, None] for place, matrix in enumerate(joined))
    return Rotation(turned, torch.ones(order, dtype=torch.float64), False, 1)


def _signs(seed: str, count: int) -> Tensor:
    """Random +1 and -1, float64 [count]; by a hash, for the generators of torch may differ between its versions."""
    digest = shake_256(seed.encode()).digest(count)
    return torch.tensor([1.0 - 2.0 * (byte & 1) for byte in digest], dtype=torch.float64)


def _largest_order(width: int) -> int:
    """The largest divisor that has a Hadamard matrix here."""
    return next(item for item in range(width, 0, -1) if width % item == 0 and factors(item) is not None)


def _joined(matrices: Iterable[Tensor]) -> list[Tensor]:
    joined: list[Tensor] = []
    for matrix in matrices:
        if joined and len(joined[-1]) * len(matrix) <= _WIDEST_FACTOR:
            joined[-1] = torch.kron(joined[-1], matrix)
        else:
            joined.append(matrix)
    return joined


def _random(order: int, generator: torch.Generator) -> Tensor:
    """An orthogonal matrix of uniform distribution, float64 [order, order]."""
    normal = torch.randn(order, order, generator=generator, dtype=torch.float64)
    orthogonal, upper = torch.linalg.qr(normal)
    return (orthogonal * upper.diagonal().sign()).contiguous()


def _is_flat(matrix: Tensor) -> bool:
    magnitude = matrix[:, 0].abs()
    return bool(torch.allclose(magnitude, magnitude[:1].expand_as(magnitude)))


def _with_ones(matrix: Tensor) -> Tensor:
    """The matrix reflected so that the entries of its first column become equal."""
    axis = matrix.new_full((len(matrix),), len(matrix) ** -0.5)
    normal = matrix[:, 0] - axis
    return matrix - torch.outer(normal, normal @ matrix) * (2 / normal.dot(normal))
