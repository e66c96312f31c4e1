"""Channel counts that a capability map takes."""

import pytest

from edgewright.targets.schema import Channels

NPU = Channels(inputs=4, outputs=4, also=(1,), groups="depthwise")


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((8, 12, 1), None), ((1, 4, 1), None), ((8, 8, 8), None),
        ((3, 8, 1), "its 3 input channels are not a multiple of 4 nor 1"),
        ((8, 6, 1), "its 6 output channels are not a multiple of 4"),
        ((6, 6, 6), "its 6 input channels are not a multiple of 4 nor 1"),
        ((8, 8, 2), "its 2 groups are neither one nor one a channel"),
        ((8, 16, 8), "its 8 groups are neither one nor one a channel"),
    ],
)
def test_a_count_that_is_not_taken_is_named(counts: tuple[int, int, int], reason: str | None) -> None:
    assert NPU.refusal(*counts) == reason


def test_nothing_said_is_no_bound() -> None:
    assert Channels().refusal(3, 5, 3) is None
    assert str(Channels()) == ""
    assert str(NPU) == "inputs a multiple of 4 or 1, outputs a multiple of 4, one group or depthwise"
