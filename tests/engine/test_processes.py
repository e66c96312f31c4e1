import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.processes import PARENT
from tests.engine.workspace import REPOSITORY


@pytest.mark.parametrize("module", ["edgewright.profile.memory", "edgewright.engine.guard"])
def test_a_process_whose_parent_is_dead_ends_in_one_line(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=tmp_path, check=False, capture_output=True, text=True,
        env={**os.environ, PARENT: str(2**22 + 1), "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 1
    assert done.stderr == f"the process {2**22 + 1} that this one works for has ended ({PARENT})\n"
