"""`edgewright push` and `edgewright pull` from the command line."""

import pytest

from tests.cli.workspace import call
from tests.engine.workspace import Tiny


@pytest.mark.parametrize("command", ["push", "pull"])
def test_after_a_kill_that_broke_the_lock(ready: Tiny, command: str):
    assert call(ready.root, "push", "--remote", "../remote").returncode == 0
    ready.workspace.lock_file.write_bytes(b"")
    done = call(ready.root, command, "--remote", "../remote")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("dvc.lock was broken by a kill (0 bytes) and is deleted")
    assert done.stdout.endswith("remote has everything already\n" if command == "push" else "remote is here already\n")
