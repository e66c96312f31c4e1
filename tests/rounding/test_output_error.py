import torch

from edgewright.rounding.output_error import row_errors


def test_half_of_the_hessian_gives_the_error():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 700, 600, generator=generator, dtype=torch.float64)
    hessian = inputs.mT @ inputs
    difference = torch.randn(2, 4, 600, generator=generator, dtype=torch.float64)
    expected = ((difference @ hessian) * difference).sum(-1)
    torch.testing.assert_close(row_errors(difference, hessian), expected)
    torch.testing.assert_close(row_errors(difference[0], hessian[0]), expected[0])
