import pytest
import torch

from edgewright.parallel import VARIABLE
from edgewright.rotation.rotation import online_rotation, rotation


@pytest.mark.parametrize("keeps_ones", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 24, 64, 86, 172])
def test_it_is_orthogonal_and_keeps_the_ones_where_asked(width, keeps_ones):
    turn = rotation(width, 0, keeps_ones)
    dense = turn.dense()
    torch.testing.assert_close(dense @ dense.T, torch.eye(width, dtype=torch.float64), rtol=0, atol=1e-12)
    if keeps_ones:
        torch.testing.assert_close(dense.sum(0), torch.ones(width, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [64, 172, 192])
def test_an_outlier_is_spread_evenly(width):
    spread = rotation(width, 3).dense()[5].abs()
    torch.testing.assert_close(spread, torch.full_like(spread, width**-0.5))
    assert rotation(width, 3).remainder == 1


def test_a_width_without_a_hadamard_matrix_says_so_and_still_mixes_all():
    turn = rotation(86, 0)
    assert turn.remainder == 43
    assert bool((turn.dense() != 0).all())


def test_runs_along_any_axis_are_rotated_by_the_dense_matrix():
    turn = rotation(12, 1)
    value = torch.randn(5, 36, 7)
    expected = torch.einsum("abic,ij->abjc", value.reshape(5, 3, 12, 7).double(), turn.dense()).reshape(5, 36, 7)
    torch.testing.assert_close(turn.apply(value, 1), expected.float())


def test_seeds_differ_and_workers_do_not(monkeypatch):
    value = torch.randn(300_000, 8)
    found = []
    for count in ("1", "2"):
        monkeypatch.setenv(VARIABLE, count)
        found.append(rotation(8, 0).apply(value))
    assert torch.equal(*found)
    assert not torch.equal(rotation(8, 0).dense(), rotation(8, 1).dense())


@pytest.mark.parametrize("keeps_ones", [False, True])
@pytest.mark.parametrize("width", [8, 86, 172, 192])
def test_undo_is_the_inverse(width, keeps_ones):
    turn, value = rotation(width, 5, keeps_ones), torch.randn(3, width, 2, dtype=torch.float64)
    torch.testing.assert_close(turn.undo(turn.apply(value, 1), 1), value)


@pytest.mark.parametrize(("width", "run"), [(172, 172), (192, 192), (8192, 8192), (86, 2), (5, 1)])
def test_an_online_rotation_is_a_hadamard_matrix_of_runs(width, run):
    turn = online_rotation(width, 2)
    assert turn.width == run
    assert all(bool(((item * len(item) ** 0.5).round().abs() == 1).all()) for item in turn.orthogonal)
    value = torch.randn(2, width, dtype=torch.float64)
    torch.testing.assert_close(turn.undo(turn.apply(value)), value)


def test_an_online_rotation_is_the_same_for_ever():
    signs = online_rotation(12, 7).orthogonal[0][:, 0].sign().int().tolist()
    assert signs == [1, -1, -1, -1, 1, -1, 1, -1, 1, -1, -1, 1]
    assert not torch.equal(online_rotation(12, 7).dense(), online_rotation(12, 8).dense())
