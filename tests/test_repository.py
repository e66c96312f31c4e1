"""The repository is a workspace of its own, planned and up to date."""

import subprocess
import sys

from tests.support import ROOT


def test_the_plan_belongs_to_params_and_code():
    done = subprocess.run(
        [sys.executable, "-m", "edgewright", "plan", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + "run `edgewright plan` and commit what it writes"


def test_torch_is_pinned_without_a_local_build_tag():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert "torch==2.13.0" in lines
    assert all("==" in line and "+" not in line for line in lines)
