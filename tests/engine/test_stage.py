import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgewright.engine import marker
from edgewright.processes import PARENT
from tests.engine.workspace import is_gone, wait_for

BODY = """
import os, sys, time
from pathlib import Path
from edgewright.engine import stage
from edgewright.errors import InputError

def run(context):
{body}

stage.main("model", run)
"""


def start(tiny: Any, body: str, **environment: str) -> subprocess.Popen[str]:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (tiny.root / "stages" / "model.py").write_text(BODY.format(body=lines))
    return subprocess.Popen(
        [sys.executable, "-m", "stages.model", "alpha"], cwd=tiny.root, text=True, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


def finish(tiny: Any, body: str, **environment: str) -> tuple[int, str, str]:
    process = start(tiny, body, **environment)
    out, error = process.communicate(timeout=30)
    return process.returncode, out, error


def test_publishes_the_whole_folder_and_replaces_the_old_one(tiny: Any) -> None:
    target = tiny.workspace.artifact("model", "alpha")
    target.mkdir(parents=True)
    (target / "old.txt").touch()
    marked = tiny.root / "marker.json"
    assert finish(tiny, "(context.out / 'new.txt').touch()", **{marker.VARIABLE: str(marked)})[0] == 0
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert [path.name for path in target.parent.iterdir()] == ["alpha"]
    assert json.loads(marked.read_text())["state"] == "completed"


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("raise InputError('x.csv: column y is missing')", 3, "model@alpha: x.csv: column y is missing\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("pass", 1, "RuntimeError: the stage model wrote nothing into context.out\n"),
    ],
)
def test_failure_publishes_nothing_and_says_why(tiny: Any, body: str, code: int, line: str) -> None:
    marked = tiny.root / "marker.json"
    found, _, error = finish(tiny, body, **{marker.VARIABLE: str(marked)})
    assert found == code
    assert error.endswith(line)
    assert ("Traceback" in error) == (code == 1)
    assert not any((tiny.root / "data" / "model").glob("*"))
    value = json.loads(marked.read_text())
    assert (value["state"], value["exit_code"]) == ("failed", code)


def test_finished_parts_wait_for_the_next_try_of_the_same_work_only(tiny: Any) -> None:
    body = """
context.resume.mkdir(parents=True, exist_ok=True)
print(len(list(context.resume.iterdir())), flush=True)
(context.resume / f"part-{os.getpid()}").touch()
if os.environ.get("STOP"):
    os._exit(9)
(context.out / "done").touch()
"""
    assert finish(tiny, body, STOP="1")[:2] == (9, "0\n")
    assert finish(tiny, body, STOP="1")[:2] == (9, "1\n")
    code = json.loads(tiny.workspace.code_file.read_text())
    tiny.workspace.code_file.write_text(json.dumps({**code, "model": "changed"}))
    assert finish(tiny, body, STOP="1")[:2] == (9, "0\n")
    assert finish(tiny, body)[:2] == (0, "1\n")
    assert not list((tiny.root / ".edgewright" / "resume").glob("*"))


def test_threads_and_hash_seed_are_fixed_whatever_the_caller_has(tiny: Any) -> None:
    body = "print(os.environ['OMP_NUM_THREADS'], hash('edgewright'), sys.argv[1:])\n(context.out / 'x').touch()"
    seen = {finish(tiny, body, OMP_NUM_THREADS=threads, PYTHONHASHSEED=threads)[1] for threads in ("2", "3")}
    assert len(seen) == 1
    assert seen.pop().startswith("1 ")


def test_unknown_key_names_the_nearest(tiny: Any) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "stages.model", "alpah"], cwd=tiny.root, text=True, capture_output=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr.endswith("no instance 'alpah' (did you mean 'alpha'?)\n")


def test_leftovers_of_the_dead_are_swept_and_of_the_living_kept(tiny: Any) -> None:
    folder = tiny.root / "data" / "model"
    for pid in (2**22 + 1, os.getpid()):
        (folder / f".alpha.partial-{pid}").mkdir(parents=True)
    assert finish(tiny, "(context.out / 'x').touch()")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == [f".alpha.partial-{os.getpid()}", "alpha"]


def test_whose_parent_is_dead_already_does_nothing(tiny: Any) -> None:
    code, _, error = finish(tiny, "(context.out / 'x').touch()", **{PARENT: str(2**22 + 1)})
    assert code == 1
    assert error.count("\n") == 1
    assert not tiny.workspace.artifact("model", "alpha").exists()


@pytest.mark.parametrize("command", ["exec {stage}", "{stage}; exit $?"])
def test_a_shell_may_stand_between(tiny: Any, command: str) -> None:
    (tiny.root / "stages" / "model.py").write_text(BODY.format(body="    (context.out / 'x').touch()"))
    done = subprocess.run(
        command.format(stage=f"{sys.executable} -m stages.model alpha"), cwd=tiny.root, shell=True, check=False,
        env={**os.environ, PARENT: str(os.getpid())},
    )
    assert done.returncode == 0
    assert (tiny.workspace.artifact("model", "alpha") / "x").is_file()


def test_dies_with_its_parent(tiny: Any, tmp_path: Path) -> None:
    body = "    (Path.cwd() / 'pid').write_text(str(os.getpid()))\n    time.sleep(60)"
    (tiny.root / "stages" / "model.py").write_text(BODY.format(body=body))
    launcher = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'stages.model', 'alpha'])"
    parent = subprocess.Popen([sys.executable, "-c", launcher], cwd=tiny.root)
    pid = int(wait_for(tiny.root / "pid"))
    parent.kill()
    parent.wait()
    assert is_gone(pid)
