import time
from typing import Any

import pytest

from edgewright.engine.preview import Pending, preview
from edgewright.errors import ConfigError

CHAIN = "alpha--calib--plain"


def test_nothing_is_pending_after_a_run(built: Any) -> None:
    assert preview(built.workspace) == []
    start = time.process_time()
    assert preview(built.workspace) == []
    assert time.process_time() - start < 2


def test_a_broken_lock_is_one_line(built: Any) -> None:
    built.workspace.lock_file.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"DVC cannot read the stages: .*dvc\.lock") as caught:
        preview(built.workspace)
    assert "\n" not in str(caught.value)


def test_everything_is_new_before_the_first_run(tiny: Any) -> None:
    found = preview(tiny.workspace)
    assert {pending.reason for pending in found} == {"new"}
    assert found[0] == Pending("model", "alpha", "new")
    assert found[-1] == Pending("report", None, "new")
    assert found[-1].name == "report"


def test_says_which_value_changed_and_what_follows(built: Any) -> None:
    built.edit(lambda values: values["aq"]["plain"].update(bits=3))
    found = {pending.name: pending.reason for pending in preview(built.workspace)}
    assert found[f"aq@{CHAIN}"] == "aq.plain modified"
    assert found[f"ir@{CHAIN}"] == f"after aq@{CHAIN}"
    assert "aq@alpha--calib--none" not in found
    assert built.ran() == []


def test_says_which_code_changed(built: Any) -> None:
    from edgewright.engine import plan

    stage = built.root / "stages" / "ir.py"
    stage.write_text(stage.read_text() + "# a comment\n")
    plan.write(built.workspace)
    found = {pending.name: pending.reason for pending in preview(built.workspace)}
    assert found[f"ir@{CHAIN}"] == "code of ir modified"


def test_says_which_source_changed_and_which_artifact_is_lost(built: Any) -> None:
    (built.root / "sources" / "calib.csv").write_text("x\n2\n")
    (built.root / "data" / "model" / "alpha" / "artifact.json").unlink()
    found = {pending.name: pending.reason for pending in preview(built.workspace)}
    assert found["calibration@alpha--calib"].endswith("sources/calib.csv modified")
    assert found["model@alpha"] == "data/model/alpha is modified"
    assert found["holdout@alpha--test"].startswith("data/model/alpha modified")
