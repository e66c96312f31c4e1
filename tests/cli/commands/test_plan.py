"""`edgewright plan` says what would run, and why."""

from tests.cli.workspace import call, set_behaviour
from tests.engine.workspace import Tiny


def test_nothing_to_do(ready: Tiny):
    done = call(ready.root, "plan")
    assert (done.stdout, done.returncode) == ("nothing to do: 21 stages up to date\n", 0)


def test_what_would_run_and_why(ready: Tiny):
    set_behaviour(ready, 3)
    done = call(ready.root, "plan")
    lines = done.stdout.splitlines()
    assert lines[0].split()[0] == "aq@alpha--calib--plain"
    assert "aq.plain" in lines[0]
    assert lines[-1].endswith("of 21 stages would run")
    assert not any("alpha--calib--none" in line for line in lines)


def test_check_writes_nothing_and_fails_when_stale(ready: Tiny):
    assert call(ready.root, "plan", "--check").returncode == 0
    ready.workspace.code_file.unlink()
    done = call(ready.root, "plan", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: code.json is missing: `edgewright plan` brings it up to date\n"
    assert not ready.workspace.code_file.exists()


def test_after_a_kill_that_broke_the_lock(ready: Tiny):
    ready.workspace.lock_file.write_bytes(b"")
    done = call(ready.root, "plan")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("dvc.lock was broken by a kill (0 bytes) and is deleted")
    assert done.stdout.endswith("21 of 21 stages would run\n")
