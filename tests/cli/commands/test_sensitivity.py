"""`edgewright sensitivity` in a workspace whose artifacts are real."""

import json

import pytest
from typer.testing import CliRunner

from edgewright.cli import application
from edgewright.cli.commands import sensitivity as command
from edgewright.errors import ConfigError, InputError
from tests.cli.commands.test_tune import VARIANT, tunable  # noqa: F401


def called(*words):
    return CliRunner().invoke(application.build(), ["sensitivity", *words])


def test_the_planted_layer_is_first_and_nothing_is_run_twice(tunable):  # noqa: F811
    done = called(VARIANT, "--json", "found.json")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[1].split()[0] in ("first", "second")
    assert "sum of the errors alone" in done.output
    found = json.loads((tunable.root / "found.json").read_text())
    assert {item["names"][0] for item in found["units"][:2]} == {"first", "second"}
    assert "0 evaluations run, the others were known" in called(VARIANT).output


def test_lines_can_be_pasted(tunable):  # noqa: F811
    done = called(VARIANT, "--yaml", "--mode", "alone")
    assert done.output.splitlines()[0].startswith(("first: float  # ", "second: float  # "))


@pytest.mark.parametrize(("words", "kind", "message"), [
    ((VARIANT, "--precision", "w3a8"), ConfigError, "'w3a8' is no precision of integers"),
    ((VARIANT, "--precision", "w8a16"), ConfigError, r"--precision w8a16: target xnnpack cannot run .*; nearest: "),
    (("alpha--plain--w8a8--xnnpac",), ConfigError, "did you mean 'alpha--plain"),
])
def test_what_is_wrong_is_one_line_before_compute(tunable, words, kind, message):  # noqa: F811
    done = called(*words)
    assert isinstance(done.exception, kind)
    with pytest.raises(kind, match=message):
        raise done.exception


def test_rows_to_judge_on_are_needed(tunable):  # noqa: F811
    (tunable.workspace.artifact("calibration", "alpha--calib") / "search.parquet").unlink()
    done = called(VARIANT)
    assert isinstance(done.exception, InputError)
    assert "give data.calib samples: N and search: N" in str(done.exception)


def test_every_example_names_the_command():
    assert all(line.startswith("edgewright sensitivity ") for line, _ in command.EXAMPLES)
