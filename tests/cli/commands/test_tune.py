"""`edgewright tune` in a workspace whose artifacts are real."""

import json
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from edgewright import ir
from edgewright.cli import application
from edgewright.cli.commands import tune as command
from edgewright.config import GqScheme
from edgewright.engine import build
from edgewright.errors import BudgetError, ConfigError, InputError
from tests.engine.workspace import Tiny
from tests.gq.nets import noise, sample_of
from tests.gq.tune.test_tune import planted

VARIANT = "alpha--plain--w8a8--xnnpack"


@pytest.fixture
def tunable(fresh: Tiny, monkeypatch) -> Tiny:
    """What go and calibration leave of a network with a planted bad layer; nothing is built."""
    workspace = fresh.workspace
    folder = workspace.artifact("go", "alpha--calib--plain--xnnpack")
    folder.mkdir(parents=True)
    ir.save(planted(), folder / "program.pt2")
    calibration = workspace.artifact("calibration", "alpha--calib")
    sample_of(noise(96)).save(calibration / "sample.parquet")
    sample_of(noise(32, seed=4)).save(calibration / "search.parquet")
    monkeypatch.chdir(workspace.root)
    monkeypatch.setattr(build, "build", lambda *_, **__: SimpleNamespace())
    return fresh


def called(*words):
    return CliRunner().invoke(application.build(), ["tune", *words])


def test_the_scheme_is_written_with_its_record_and_can_be_pasted(tunable: Tiny):
    done = called(VARIANT, "--snr", "30")
    assert done.exit_code == 0, done.output
    assert "cross-layer equalization at w8a8 stays" in done.output
    assert "comes from activations" in done.output
    written = yaml.safe_load((tunable.root / f"tune/{VARIANT}.yaml").read_text())["gq"]["w8a8-tuned"]
    assert written["tuned"] == f"tune/{VARIANT}.json"
    assert GqScheme.model_validate(written).corrections == ("equalize", "bias")
    record = json.loads((tunable.root / written["tuned"]).read_text())
    assert record["steps"][0]["step"] == "as it is"
    assert record["chosen"] in {step["step"] for step in record["steps"]}


def test_what_misses_the_budget_is_written_too_and_ends_with_code_4(tunable: Tiny):
    done = called(VARIANT, "--snr", "150", "--name", "best")
    assert isinstance(done.exception, BudgetError)
    assert "nothing keeps snr_db 150; the best found" in str(done.exception)
    assert "best" in yaml.safe_load((tunable.root / f"tune/{VARIANT}.yaml").read_text())["gq"]


@pytest.mark.parametrize(("words", "kind", "message"), [
    (("alpha--plain--w8a8--xnnpac", "--snr", "30"), ConfigError, "no variant .*did you mean 'alpha--plain"),
    ((VARIANT,), ConfigError, "nothing to work towards; give the variant accept"),
])
def test_what_is_wrong_is_one_line(tunable: Tiny, words, kind, message):
    done = called(*words)
    assert isinstance(done.exception, kind)
    with pytest.raises(kind, match=message):
        raise done.exception


def test_rows_to_judge_on_are_needed(tunable: Tiny):
    (tunable.workspace.artifact("calibration", "alpha--calib") / "search.parquet").unlink()
    done = called(VARIANT, "--snr", "30")
    assert isinstance(done.exception, InputError)
    assert "tune judges on rows of its own; give data.calib samples: N and search: N" in str(done.exception)


def test_every_example_names_the_command():
    assert all(line.startswith("edgewright tune ") for line, _ in command.EXAMPLES)
