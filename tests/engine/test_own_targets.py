"""A workspace with a target file of its own: found by name, validated, tracked, quantized and compiled for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from edgewright import gq, ir, targets
from edgewright.config import GqScheme
from edgewright.datasets import Sample
from edgewright.engine import plan
from edgewright.engine.validate import validate
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError
from edgewright.files import read_json
from tests.engine.workspace import make
from tests.support import blocks

BOARD = """
extends: tinpu
description: an NPU whose matrix products have 8 inputs or a multiple
operators: {linear: {bounds: {channels: {inputs: 8}}}, max_pool2d: null}
"""
SCHEME = {"weights": {"bits": 8, "power_of_two": True}, "activations": {"symmetric": True, "power_of_two": True}}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A planned workspace with `targets/board.yaml`, which its variant is for."""
    tiny = make(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/board.yaml").write_text(BOARD)
    found = Workspace(tmp_path)
    values = yaml.safe_load(found.params_file.read_text())
    values["gq"]["w8a8"] = SCHEME
    values["variants"] = [{"model": "alpha", "aq": "none", "gq": "w8a8", "target": "board"}]
    tiny.workspace.params_file.write_text(yaml.safe_dump(values))
    yield found
    targets.look_in(tmp_path / "none")


def test_it_is_found_by_name_in_its_workspace_alone(workspace: Workspace, tmp_path: Path) -> None:
    assert "board" in targets.names()
    target = targets.load("board")
    assert (target.name, target.toolchain, target.stand_in) == ("board", "tinpu", True)
    assert target.operators["conv2d"] == targets.load("tinpu").operators["conv2d"]
    assert not target.supports("max_pool2d")
    (tmp_path / "other").mkdir()
    Workspace(tmp_path / "other")
    assert "board" not in targets.names()
    with pytest.raises(ConfigError, match="unknown target 'board'"):
        targets.load("board")


def test_a_network_is_quantized_and_compiled_for_it(workspace: Workspace, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 12), nn.Linear(12, 4))
    target = targets.load("board")
    x = np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype(np.float32)
    program = ir.export(net.eval(), [((1, 8, 8), torch.float32)])
    result = gq.quantize(program, target, GqScheme.model_validate(SCHEME), Sample(inputs={"x": x}))
    (left,) = result.encodings["left_float"]
    assert (left["scope"], left["reason"]) == (
        "4", "board has no kernel for it: its 12 input channels are not a multiple of 8",
    )
    targets.adapter(target).compile(result.program, target, tmp_path / "artifact", batch_inputs=(x,))
    manifest = read_json(tmp_path / "artifact/manifest.json")
    assert (manifest["target"], manifest["delegated"]) == ("board", 3)
    expected = ir.unlift(program)(torch.from_numpy(x)).detach().numpy()
    found = targets.adapter(target).session(tmp_path / "artifact", target, 1)((x,))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_validate_names_a_wrong_key_of_it(workspace: Workspace) -> None:
    assert validate(workspace) == []
    (workspace.root / "targets/board.yaml").write_text(BOARD.replace("description", "descripton"))
    (mistake, *_) = validate(Workspace(workspace.root))
    assert (mistake.exit_code, str(mistake)) == (2, "board.yaml: unknown key descripton (did you mean 'description'?)")


def test_a_change_of_it_makes_the_plan_stale(workspace: Workspace) -> None:
    plan.write(workspace)
    before = read_json(workspace.code_file)
    assert plan.check(workspace) is None
    (workspace.root / "targets/board.yaml").write_text(BOARD.replace("inputs: 8", "inputs: 16"))
    again = Workspace(workspace.root)
    assert "code.json" in (plan.check(again) or "")
    plan.write(again)
    after = read_json(workspace.code_file)
    assert {key for key in before if before[key] != after[key]} == {"capability"}


def test_a_name_that_ships_is_refused(workspace: Workspace) -> None:
    (workspace.root / "targets/xnnpack.yaml").write_text(BOARD)
    Workspace(workspace.root)
    message = r"targets/xnnpack.yaml: a target 'xnnpack' ships; give the file another name"
    with pytest.raises(ConfigError, match=message):
        targets.load("xnnpack")


def test_the_example_of_the_page_is_a_target(workspace: Workspace) -> None:
    (text,) = [block for block in blocks("docs/targets.md", "yaml") if "extends: tinpu" in block]
    (workspace.root / "targets/mine.yaml").write_text(text)
    Workspace(workspace.root)
    assert targets.load("mine").toolchain == "tinpu"
