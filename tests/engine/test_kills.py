"""kill -9 at random moments of a run; benchmarks/kills.py does the same to a real workspace, more often."""

import random
from typing import Any

from benchmarks import kills

KILLS = 3


def test_a_run_after_kills_makes_what_an_undisturbed_one_makes(tiny: Any, built: Any) -> None:
    def change(values: dict[str, Any]) -> None:
        values["aq"]["plain"]["options"] = {"test": {"steps": 1, "sleep": 0.5}}

    tiny.edit(change)
    moments = random.Random(7)
    for _ in range(KILLS):
        kills.kill(tiny.root, 1.0 + 2.5 * moments.random())
    assert tiny.run().exit_code == 0
    found, expected = tiny.digests(), built.digests()
    assert found == expected
    assert tiny.run().failed == ()
    assert not list(tiny.root.glob("data/*/.*.partial-*"))
