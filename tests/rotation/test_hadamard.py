import pytest
import torch

from edgewright.rotation.hadamard import factors, hadamard, small

WIDTHS = (1, 2, 4, 12, 20, 28, 36, 52, 64, 76, 92, 100, 116, 148, 172, 192, 256, 344, 576, 768, 896, 1536)
LARGE = (2048, 3072, 4096, 4864, 5504, 8192, 8960, 11008, 13824, 14336, 16384, 18944, 22016, 27648, 28672)


@pytest.mark.parametrize("n", WIDTHS)
def test_rows_are_orthogonal_in_exact_integers(n):
    matrix = hadamard(n).to(torch.int32)
    assert set(matrix.unique().tolist()) <= {-1, 1}
    assert torch.equal(matrix @ matrix.T, n * torch.eye(n, dtype=torch.int32))


@pytest.mark.parametrize("n", LARGE)
def test_widths_of_models_are_products_of_exact_factors(n):
    orders = factors(n)
    product = 1
    for order in orders:
        product *= order
        matrix = small(order).to(torch.int32)
        assert torch.equal(matrix @ matrix.T, order * torch.eye(order, dtype=torch.int32))
    assert product == n


@pytest.mark.parametrize("n", [3, 6, 10, 86, 188, 4304])
def test_orders_without_a_construction_are_refused(n):
    assert factors(n) is None
    with pytest.raises(ValueError, match=f"order {n}"):
        hadamard(n)
