from pathlib import Path

import pytest

from edgewright import targets
from edgewright.errors import ConfigError
from edgewright.targets.probe import EXAMPLES, Probe, forms, probe

# A sample of the maps; `python -m benchmarks.probe_targets` compiles every line.
SAMPLE = [
    ("xnnpack", "linear", "w4a8-dynamic"),
    ("xnnpack", "linear", "w8a8-dynamic"),
    ("xnnpack", "softmax", "float"),
    ("onnxruntime", "linear", "w8a8"),
    ("onnxruntime", "conv2d", "w16a16"),
    ("onnxruntime", "linear", "w4-group"),
    ("openvino", "linear", "w8a8-dynamic"),
    ("openvino", "conv2d", "w8"),
    ("ethos-u85-256", "mean", "a8"),
    ("ethos-u85-256", "silu", "a8"),
]


@pytest.mark.parametrize(("name", "op", "kernel"), SAMPLE)
def test_the_toolchain_takes_what_the_map_says(name: str, op: str, kernel: str, tmp_path: Path) -> None:
    target = targets.load(name)
    (form,) = [item for item in forms(target.operators[op]) if (item.name if item else "float") == kernel]
    found = probe(target, op, form, tmp_path)
    assert found.holds, found


@pytest.mark.parametrize(
    ("kernel", "left", "steps", "holds"),
    [
        ("w8a8", (), 2.0, True), ("w8a8", (), 2.1, False), ("float", (), 16.0, True), ("float", (), 16.1, False),
        ("w8a8", (), float("nan"), False), ("float", ("linear: no kernel",), 0.0, False),
    ],
)
def test_a_line_holds_if_all_of_it_is_delegated_and_computes_the_same(
    kernel: str, left: tuple[str, ...], steps: float, holds: bool
) -> None:
    assert Probe("linear", kernel, left, steps, is_float=kernel == "float").holds == holds


@pytest.mark.parametrize("name", targets.names())
def test_every_line_has_an_example(name: str) -> None:
    assert set(targets.load(name).operators) <= set(EXAMPLES)


def test_operator_without_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lstm has no example"):
        probe(targets.load("xnnpack"), "lstm", None, tmp_path)


def test_an_operator_that_the_delegate_lacks_is_reported_with_its_reason(tmp_path: Path) -> None:
    target = targets.load("xnnpack")
    lacking = target.model_copy(update={"operators": {**target.operators, "elu": target.operators["tanh"]}})
    found = probe(lacking, "elu", None, tmp_path)
    assert found.left != ()
    assert not found.holds
    assert all("partitioner" in item for item in found.left)
