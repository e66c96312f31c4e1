"""Finite fields, as far as Paley's construction needs them."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

Polynomial = tuple[int, ...]
"""Coefficients modulo a prime, lowest power first."""


def prime_power(q: int) -> tuple[int, int] | None:
    """(p, k) with q = p^k and p prime, or None."""
    if q < 2:
        return None
    p = next((factor for factor in range(2, int(q**0.5) + 1) if q % factor == 0), q)
    k, rest = 0, q
    while rest % p == 0:
        k, rest = k + 1, rest // p
    return (p, k) if rest == 1 else None


def characters(q: int) -> Tensor:
    """chi(a - b) for the elements a, b of the field of q = p^k elements, p odd, int8 [q, q].

    chi is 0 at 0, 1 at squares and -1 elsewhere: the Jacobsthal matrix.

    Raises:
        ValueError: q is not a power of an odd prime.
    """
    found = prime_power(q)
    if found is None or q % 2 == 0:
        raise ValueError(f"{q} is not a power of an odd prime")
    p, k = found
    powers = p ** torch.arange(k)
    digits = torch.arange(q).unsqueeze(1) // powers % p
    chi = -torch.ones(q, dtype=torch.int8)
    chi[torch.tensor(sorted(_squares(p, k)))] = 1
    chi[0] = 0
    differences = torch.zeros(q, q, dtype=torch.int64)
    for digit, power in zip(digits.T, powers, strict=True):
        differences += (digit.unsqueeze(1) - digit) % p * power
    return chi[differences]


def _squares(p: int, k: int) -> set[int]:
    """The squares of the field, each as the number whose digits to the base p are its coefficients."""
    if k == 1:
        return {a * a % p for a in range(1, p)}
    modulus = next(item for item in _monic(p, k) if _is_irreducible(item, p))
    return {_number(_remainder(_product(a, a, p), modulus, p), p) for a in product(range(p), repeat=k) if any(a)}


def _monic(p: int, degree: int) -> Iterator[Polynomial]:
    for low in product(range(p), repeat=degree):
        yield (*low, 1)


def _is_irreducible(f: Polynomial, p: int) -> bool:
    divisors = (g for degree in range(1, (len(f) - 1) // 2 + 1) for g in _monic(p, degree))
    return all(any(_remainder(f, g, p)) for g in divisors)


def _product(a: Polynomial, b: Polynomial, p: int) -> Polynomial:
    result = [0] * (len(a) + len(b) - 1)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            result[i + j] = (result[i + j] + left * right) % p
    return tuple(result)


def _remainder(a: Polynomial, monic: Polynomial, p: int) -> Polynomial:
    rest, degree = list(a), len(monic) - 1
    for top in range(len(rest) - 1, degree - 1, -1):
        lead = rest[top]
        for index, coefficient in enumerate(monic):
            rest[top - degree + index] = (rest[top - degree + index] - lead * coefficient) % p
    return tuple(rest[:degree])


def _number(a: Polynomial, p: int) -> int:
    return sum(coefficient * p**power for power, coefficient in enumerate(a))
