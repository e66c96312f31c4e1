"""The command line as a whole: help, speed, what it loads, its examples."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.cli.application import commands
from edgewright.engine.init import init
from tests.cli.workspace import call
from tests.engine.workspace import REPOSITORY, Tiny

HEAVY = ("torch", "transformers", "dvc", "prefect", "onnxruntime", "executorch", "great_expectations", "datasets")
KEY = "alpha--calib--plain--xnnpack--w8a8"


def test_every_file_is_a_command_with_help_and_examples():
    files = {file.stem for file in (REPOSITORY / "edgewright/cli/commands").glob("[!_]*.py")}
    found = commands()
    assert {command.name for command in found} == files
    assert [command.name for command in found][:4] == ["init", "validate", "plan", "run"]
    shown = call(REPOSITORY, "--help").stdout
    for command in found:
        assert f"\n  {command.name} " in shown
        text = call(REPOSITORY, command.name, "--help").stdout
        assert "Examples:" in text
        for line, what in command.examples:
            assert f"    {line}\n        {what}\n" in text
            assert line.startswith(f"edgewright {command.name}")


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("validate",), ("plan", "--check"), ("targets", "list"),
     ("targets", "show", "xnnpack"), ("targets", "probe", "--help")],
)  # fmt: skip
def test_quick_commands_load_nothing_heavy(fresh: Tiny, arguments):
    code = (
        "import sys\nfrom edgewright.cli import main\n"
        f"sys.argv = ['edgewright', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=fresh.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.fixture(scope="module")
def default(tmp_path_factory) -> Path:
    """The workspace that ships, with a repository of its own."""
    root = tmp_path_factory.mktemp("default") / "workspace"
    init(root, sample=True)
    assert call(root, "plan").returncode == 0
    return root


@pytest.mark.parametrize("arguments", [("--help",), ("validate",), ("plan",)])
def test_the_default_workspace_answers_in_two_seconds_of_work(arguments, default):
    """Processor time, which a busy machine does not stretch."""
    before = _children_seconds()
    done = call(default, *arguments)
    spent = _children_seconds() - before
    assert done.returncode == 0, done.stderr
    assert spent < 2.0, f"{spent:.2f} s"


def _children_seconds() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_misspelt_command_is_told_the_right_one(fresh: Tiny):
    done = call(fresh.root, "validat")
    assert done.returncode == 2
    assert "validate" in done.stderr
    assert "Traceback" not in done.stderr


def test_completion_knows_commands_and_variants(ready: Tiny):
    def complete(line: str) -> str:
        environment = {"_EDGEWRIGHT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        code = "import sys; from edgewright.cli import main; sys.argv = ['edgewright']; main()"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ready.root, env={**os.environ, **environment}, capture_output=True,
            text=True, check=False,
        ).stdout

    assert {"plan", "prune", "pull", "push"} <= set(complete("edgewright p").split())
    assert "alpha--plain--w8a8--xnnpack" in complete("edgewright run al")


def _prepared(line: str, outside: Path) -> list[str]:
    """An example's words, with stand-ins for what only a user has."""
    stand_ins = {
        "/media/board/model.pte": str(outside / "model.pte"), "/mnt/team/edgewright": str(outside / "remote"),
        "resnet8--none--w8a8--xnnpack": "alpha--plain--w8a8--xnnpack",
    }
    words = shlex.split(line)[1:]
    return [_replaced(word, stand_ins) for word in words]


def _replaced(word: str, stand_ins: dict[str, str]) -> str:
    if word in stand_ins:
        return stand_ins[word]
    return word.replace("/KEY", f"/{KEY}")


OWN = ("costs", "init", "probe", "sensitivity", "tune")
"""Commands whose examples have tests of their own: they need another folder, or real artifacts."""

# an object store is not to be had here
EXAMPLES = [
    line for command in commands() for line, _ in command.examples if command.name not in OWN and "s3://" not in line
]


def test_every_example_of_the_help_works(ready: Tiny, tmp_path):
    """In the order of the commands, so that a push comes before its pull."""
    shutil.copy(ready.workspace.artifact("compile", KEY) / "model.pte", tmp_path / "model.pte")
    subprocess.run([sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "team", str(tmp_path / "remote")],
                   cwd=ready.root, check=True)
    for line in EXAMPLES:
        done = call(ready.root, *_prepared(line, tmp_path))
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
