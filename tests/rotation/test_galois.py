import pytest
import torch

from edgewright.rotation.galois import characters, prime_power


@pytest.mark.parametrize(("q", "expected"), [(2, (2, 1)), (27, (3, 3)), (49, (7, 2)), (1, None), (12, None)])
def test_prime_powers(q, expected):
    assert prime_power(q) == expected


@pytest.mark.parametrize("q", [3, 5, 9, 25, 27, 49])
def test_characters_are_a_jacobsthal_matrix(q):
    matrix = characters(q).to(torch.int32)
    assert torch.equal(matrix @ matrix.T, q * torch.eye(q, dtype=torch.int32) - 1)
    assert torch.equal(matrix.sum(1), torch.zeros(q, dtype=torch.int64))
    assert torch.equal(matrix.T, matrix if q % 4 == 1 else -matrix)


@pytest.mark.parametrize("q", [8, 15])
def test_a_field_that_is_none_or_even_is_refused(q):
    with pytest.raises(ValueError, match=str(q)):
        characters(q)
