from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from torch import Tensor
from torch.nn import functional as F

from edgewright import targets
from edgewright.errors import ConfigError
from edgewright.targets import Kernel, Target
from edgewright.targets import probe as module
from edgewright.targets.one_operator import Example
from edgewright.targets.probe import EXAMPLES, Probe, claims, forms, probe, prove

# A sample of the maps; `edgewright targets probe NAME` compiles every line.
SAMPLE = [
    ("xnnpack", "linear", "w4a8-dynamic", ""),
    ("xnnpack", "linear", "w8a8-dynamic", ""),
    ("xnnpack", "softmax", "float", ""),
    ("onnxruntime", "linear", "w8a8", ""),
    ("ethos-u85-256", "mean", "a8", ""),
    ("ethos-u85-256", "silu", "a8", ""),
    ("ethos-u85-2048", "conv2d", "w4a8", ""),
    ("ethos-u65-512", "conv_transpose2d", "w8a8-tensor", ""),
    ("ethos-u55-32", "exp", "a16-table", ""),
    # A symmetric output has integers below zero: the relu must not be taken for its clamp.
    ("ethos-u55-128", "conv2d", "w8a16", "relu"),
    ("tinpu", "conv2d", "w2a8", ""),
    ("tinpu", "max_pool2d", "a8", ""),
    ("onnxruntime", "conv2d", "w16a16", ""),
    ("onnxruntime", "linear", "w4-group", ""),
    ("openvino", "linear", "w8a8-dynamic", ""),
    ("openvino", "conv2d", "w8", ""),
]


def form_of(target: Target, op: str, name: str) -> Kernel | None:
    (form,) = [item for item in forms(target.operators[op]) if (item.name if item else "float") == name]
    return form


@pytest.mark.parametrize(("name", "op", "kernel", "fused"), SAMPLE)
def test_the_toolchain_takes_what_the_map_says(name: str, op: str, kernel: str, fused: str, tmp_path: Path) -> None:
    target = targets.load(name)
    found = probe(target, op, form_of(target, op, kernel), tmp_path, fused)
    assert found.holds, found
    assert found.form == (f"{kernel}+{fused}" if fused else kernel)


@pytest.mark.parametrize(
    ("op", "call", "reason"),
    [
        ("avg_pool2d", lambda x: F.avg_pool2d(x, 4), "stride <= 3"),
        ("conv2d", lambda x, w, b: F.conv2d(x, w, b, stride=4, padding=1), "stride, pad and dilation"),
        ("upsample_nearest2d", lambda x: F.interpolate(x, scale_factor=3.0), "2x, 4x, or 8x"),
    ],
)
def test_what_is_out_of_bounds_is_what_the_toolchain_refuses(
    op: str, call: Callable[..., Tensor], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = targets.load("ethos-u55-128")
    monkeypatch.setitem(cast(dict[str, Example], EXAMPLES), op, replace(EXAMPLES[op], call=call))
    found = probe(target, op, target.operators[op].quantized[0], tmp_path)
    assert not found.holds
    assert any(reason in item for item in found.left), found


def test_a_false_line_fails_and_the_others_are_tried() -> None:
    target = targets.load("ethos-u85-256")
    false = target.operators["sigmoid"].model_copy(update={"quantized": target.operators["sigmoid"].quantized[:1]})
    planted = target.model_copy(update={"operators": {"softmax": false, "tanh": false}})
    softmax, tanh = prove(planted)
    assert (softmax.operator, softmax.holds, tanh.operator, tanh.holds) == ("softmax", False, "tanh", True)
    assert "softmax" in softmax.left[0]
    assert "FAILS: " in str(softmax)


def test_what_a_toolchain_raises_makes_the_line_false(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such kernel\nand more")

    monkeypatch.setattr(module, "probe", refuse)
    (found,) = prove(targets.load("xnnpack"), ["tanh"])
    assert not found.holds
    assert found.left == ("RuntimeError: no such kernel",)


def test_an_unknown_operator_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"target xnnpack has no operator 'con2d' \(did you mean 'conv2d'\?\)"):
        next(prove(targets.load("xnnpack"), ["con2d"]))


@pytest.mark.parametrize(
    ("left", "steps", "most", "holds"),
    [
        ((), 2.0, 2.0, True), ((), 2.1, 2.0, False), ((), 126.0, 128.0, True), ((), float("nan"), 2.0, False),
        (("linear: no kernel",), 0.0, 4.0, False),
    ],
)  # fmt: skip
def test_a_line_holds_if_all_of_it_is_delegated_and_computes_the_same(
    left: tuple[str, ...], steps: float, most: float, holds: bool
) -> None:
    assert Probe("linear", "w8a8", left, steps, most).holds == holds


def test_what_is_fused_is_claimed_once_a_width() -> None:
    names = [(kernel.name if kernel else "float", fused) for kernel, fused in claims(
        targets.load("ethos-u85-256").operators["conv2d"])]
    assert names == [
        ("w8a8", ""), ("w8a8-tensor", ""), ("w4a8", ""), ("w8a16", ""),
        ("w8a8", "relu"), ("w8a8", "hardtanh"), ("w8a16", "relu"), ("w8a16", "hardtanh"),
    ]  # fmt: skip


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
