"""Hadamard matrices: H of +1 and -1 with H H^T = n I, in exact integers, as Kronecker products of small ones.

- Sylvester: order 2.
- Paley I: order q + 1 for a prime power q = 3 modulo 4.
- Paley II: order 2 (q + 1) for a prime power q = 1 modulo 4.
- Williamson: order 4 m from four symmetric circulant matrices of order m with A^2 + B^2 + C^2 + D^2 = 4 m I.
- Kronecker products of these.

Sylvester 1867; Paley 1933, On Orthogonal Matrices; Williamson 1944, Hadamard's Determinant Theorem and the Sum of
Four Squares. A Hadamard matrix of order n > 2 needs n to be a multiple of 4.
"""

from functools import cache

import torch
from torch import Tensor

from edgewright.rotation.galois import characters, prime_power

_LARGEST = 1024
"""Factors larger than this are not looked for: they would be applied as dense matrices."""

_WILLIAMSON = {
    23: ("+-----++-+-+", "+++++----+-+", "++-+--+++--+", "++-+-+++-++-"),
    29: ("+-+-+--+-++-++-", "+-+----++++--+-", "+++++--++---+-+", "+---+++-++++++-"),
    43: ("+-+------++++-+-++--+-", "+++--++++-+-+++-++----", "+--+-+--++++-+--+++-++", "+-+-++--++-+++++---++-"),
}  # fmt: skip
"""First halves (offsets 0 to (m - 1) / 2) of first rows, found by search over sequences with a common multiplier."""


def factors(n: int) -> tuple[int, ...] | None:
    """Orders whose product is n and that each have a construction, largest first; None where there are none."""
    found = _factors(n)
    return None if found is None else tuple(sorted(found, reverse=True))


@cache
def _factors(n: int) -> tuple[int, ...] | None:
    if n == 1:
        return ()
    for order in (item for item in range(2, min(n, _LARGEST) + 1) if n % item == 0 and _is_constructible(item)):
        rest = _factors(n // order)
        if rest is not None:
            return (order, *rest)
    return None


def _is_constructible(order: int) -> bool:
    return order == 2 or (order % 4 == 0 and (_is_paley(order) is not None or order // 4 in _WILLIAMSON))


def _is_paley(order: int) -> int | None:
    """1 or 2 where that construction of Paley gives the order."""
    if prime_power(order - 1) is not None and (order - 1) % 4 == 3:
        return 1
    half = order // 2 - 1
    return 2 if order % 4 == 0 and prime_power(half) is not None and half % 4 == 1 else None


@cache
def small(order: int) -> Tensor:
    """The matrix of a construction that is no product, int8 [order, order].

    Raises:
        ValueError: no construction here gives this order.
    """
    if order == 2:
        return torch.tensor([[1, 1], [1, -1]], dtype=torch.int8)
    kind = _is_paley(order) if order > 2 else None
    if kind == 1:
        return _paley_one(order - 1)
    if kind == 2:
        return _paley_two(order // 2 - 1)
    if order % 4 == 0 and order // 4 in _WILLIAMSON:
        return _williamson(order // 4)
    raise ValueError(f"no construction of a Hadamard matrix of order {order}")


def hadamard(n: int) -> Tensor:
    """A Hadamard matrix, int8 [n, n].

    Raises:
        ValueError: no product of the constructions here has order n.
    """
    orders = factors(n)
    if orders is None:
        raise ValueError(f"no construction of a Hadamard matrix of order {n}")
    result = torch.ones(1, 1, dtype=torch.int8)
    for order in orders:
        result = torch.kron(result, small(order))
    return result


def _bordered(q: int) -> Tensor:
    """Characters of the field with a border of ones, the lower left one negative where q = 3 modulo 4."""
    result = torch.ones(q + 1, q + 1, dtype=torch.int8)
    result[0, 0] = 0
    result[1:, 0] = 1 if q % 4 == 1 else -1
    result[1:, 1:] = characters(q)
    return result


def _paley_one(q: int) -> Tensor:
    return _bordered(q) + torch.eye(q + 1, dtype=torch.int8)


def _paley_two(q: int) -> Tensor:
    outer = torch.tensor([[1, 1], [1, -1]], dtype=torch.int8)
    diagonal = torch.tensor([[1, -1], [-1, -1]], dtype=torch.int8)
    return torch.kron(_bordered(q), outer) + torch.kron(torch.eye(q + 1, dtype=torch.int8), diagonal)


def _williamson(m: int) -> Tensor:
    offsets = (torch.arange(m) - torch.arange(m).unsqueeze(1)) % m
    a, b, c, d = (
        torch.tensor([1 if sign == "+" else -1 for sign in half], dtype=torch.int8)[torch.minimum(offsets, m - offsets)]
        for half in _WILLIAMSON[m]
    )
    rows = ((a, b, c, d), (-b, a, -d, c), (-c, d, a, -b), (-d, -c, b, a))
    return torch.cat([torch.cat(row, 1) for row in rows])
