import pytest
import torch

from edgewright.rounding import Grid


@pytest.mark.parametrize(
    ("bits", "symmetric", "qmin", "qmax"),
    [
        (8, True, -127, 127), (8, False, -128, 127), (4, True, -8, 7), (4, False, -8, 7), (3, True, -4, 3),
        (2, False, -2, 1),
    ],
)
def test_range(bits, symmetric, qmin, qmax):
    grid = Grid(bits, symmetric)
    assert (grid.qmin, grid.qmax) == (qmin, qmax)


def test_a_ragged_last_group_is_filled_up_and_cut_off_again():
    grid = Grid(4, True, 32)
    matrix = torch.randn(3, 172)
    split = grid.split(matrix)
    assert split.shape == (3, 6, 32)
    assert split[:, -1, 12:].unique().tolist() == [0.0]
    assert torch.equal(grid.join(split, 172), matrix)
    assert grid.groups(172) == 6


def test_per_channel_is_one_group():
    grid = Grid(8, True)
    assert grid.split(torch.zeros(2, 5)).shape == (2, 1, 5)


def test_mxfp4_has_twice_the_numbers_of_e2m1():
    grid = Grid(4, True, 32, "mxfp4")
    e2m1 = [sign * value for value in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0) for sign in (-1, 1)]
    assert [level / 2 for level in grid.levels] == sorted(set(e2m1))
    assert (grid.qmin, grid.qmax) == (-12, 12)
    assert Grid(2, True).levels == (-2, -1, 0, 1)
