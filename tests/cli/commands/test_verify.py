"""`edgewright verify` in words and as JSON."""

import json

from tests.cli.workspace import call
from tests.engine.workspace import Tiny

KEY = "alpha--calib--plain--xnnpack--w8a8"


def test_lineage_in_words_and_as_json(ready: Tiny):
    done = call(ready.root, "verify", f"data/compile/{KEY}/model.pte")
    assert done.returncode == 0, done.stderr
    for expected in (
        "sha256    ", f"artifact  data/compile/{KEY}\n", "commit    none: this result is not in git", "executorch 1.0",
        f"  gq@{KEY}\n", "  calibration@alpha--calib\n", "sources/calib.csv", "'bits': 8", "right: every file",
    ):
        assert expected in done.stdout, expected
    value = json.loads(call(ready.root, "verify", "--json", f"data/compile/{KEY}").stdout)
    assert value["sha256"] in done.stdout
    assert value["problems"] == []


def test_a_changed_file_is_exit_code_3(ready: Tiny):
    file = ready.workspace.artifact("compile", KEY) / "model.pte"
    file.write_bytes(b"other")
    done = call(ready.root, "verify", str(file))
    assert done.returncode == 3
    assert f"error: data/compile/{KEY} is not as compile@{KEY} recorded it\n" in done.stderr
    assert "sha256 is not the manifest's" in done.stderr
    assert "right:" not in done.stdout
