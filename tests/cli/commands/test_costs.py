"""`edgewright costs` in a workspace whose artifacts are real."""

import json

import pytest
from typer.testing import CliRunner

from edgewright.cli import application
from edgewright.cli.commands import costs as command
from edgewright.errors import ConfigError
from tests.cli.commands.test_tune import VARIANT, tunable  # noqa: F401


def called(*words):
    return CliRunner().invoke(application.build(), ["costs", *words])


def test_the_table_is_written_and_can_be_named(tunable):  # noqa: F811
    done = called(VARIANT, "--precision", "w8a8", "--precision", "float")
    assert done.exit_code == 0, done.output
    assert "table: costs/alpha--xnnpack.json" in done.output
    table = json.loads((tunable.root / "costs/alpha--xnnpack.json").read_text())
    assert (table["target"], table["unit"]) == ("xnnpack", "ms")
    assert table["precisions"].keys() == {"w8a8", "float"}
    assert table["host"]["processor"]


@pytest.mark.parametrize(("words", "message"), [
    ((VARIANT, "--precision", "w3a8"), "'w3a8' is no precision"),
    ((VARIANT, "--precision", "w8a16"), r"--precision w8a16: target xnnpack cannot run .*; nearest: "),
    (("alpha--plain--w8a8--xnnpac",), "did you mean 'alpha--plain"),
])
def test_what_is_wrong_is_one_line_before_compute(tunable, words, message):  # noqa: F811
    done = called(*words)
    assert isinstance(done.exception, ConfigError)
    with pytest.raises(ConfigError, match=message):
        raise done.exception


def test_every_example_names_the_command():
    assert all(line.startswith("edgewright costs ") for line, _ in command.EXAMPLES)
