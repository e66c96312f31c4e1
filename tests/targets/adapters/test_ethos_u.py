import json
from collections.abc import Callable
from pathlib import Path

import torch

from edgewright.targets.adapters import _tosa, ethos_u


def test_estimate_names_scopes(compiled: Callable[[str], Path]) -> None:
    found = ethos_u.estimate(compiled("ethos-u85-256"))
    assert found["cycles"] > 0
    assert found["latency_ms"] == found["cycles"] / found["clock_hz"] * 1e3
    assert found["sram_bytes"] > 0
    assert found["flash_bytes"] > 8 * 3 * 9
    scopes = [item["scope"] for item in found["operators"]]
    assert [scope for scope in scopes if scope in ("first", "second", "third", "head")] != []
    assert {"first", "second", "third", "head"} <= set(scopes)
    assert sum(item["cycles"] for item in found["operators"]) <= found["cycles"]


def test_simulator_holds_the_host_steps_in_order(compiled: Callable[[str], Path]) -> None:
    plan = json.loads((compiled("ethos-u85-256") / "simulator.json").read_text())
    kinds = [step["op"].split(".")[1] if "." in step["op"] else step["op"] for step in plan["steps"]]
    assert kinds == ["quantize_per_tensor", "delegate", "getitem", "dequantize_per_tensor"]


def test_a_layout_among_the_arguments_of_a_host_step_is_data() -> None:
    assert _tosa._decoded(json.loads(json.dumps(_tosa._encoded(torch.strided))), {}) is torch.strided
