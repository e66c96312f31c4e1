"""Compiled artifacts against the Programs they came from."""

import numpy as np
import pytest

from edgewright import gq, ir, targets
from edgewright.compare.artifact import load
from edgewright.compare.compare import compare
from edgewright.go.optimize import optimize
from edgewright.models.load import export
from tests.gq.nets import cifar, noise, sample_of, scheme, small


def compiled(program, target, folder, shape=(3, 8, 8)):
    loaded = targets.load(target)
    targets.adapter(loaded).compile(program, loaded, folder, batch_inputs=[np.zeros((1, *shape), np.float32)])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Float and quantized Program of ONNX Runtime's scheme, each compiled; and what XNNPACK makes of the latter."""
    folder = tmp_path_factory.mktemp("built")
    program = small()
    made = gq.quantize(program, targets.load("onnxruntime"), scheme(), sample_of(noise())).program
    for name, item in (("float", program), ("gq", made)):
        (folder / name).mkdir()
        ir.save(item, folder / name / "program.pt2")
        compiled(item, "onnxruntime", folder / f"{name}-onnx")
    compiled(made, "xnnpack", folder / "gq-pte")
    return folder


def test_inner_tensors_of_onnx_are_those_of_its_program(built):
    sides = load(built / "float", "float", built), load(built / "float-onnx", "onnx", built)
    found = compare(*sides, sample_of(noise(3)))
    assert {item.operator for item in found.modules} == {"input", "conv2d", "relu", "relu#2", "add", "mean", "linear"}
    assert all(item.drift.snr_db is None or item.drift.snr_db > 100 for item in found.modules)
    assert found.parts is None
    assert any("local errors and the sum of the parts are not known" in note for note in found.notes)


def test_onnx_in_integers_is_compared_with_float_where_it_stores_a_tensor(built):
    sides = load(built / "float", "float", built), load(
        built / "gq-onnx", "onnx", built, source=built / "gq" / "program.pt2"
    )
    found = compare(*sides, sample_of(noise(4)), histograms=True)
    modules = {f"{item.scope} {item.operator}": item for item in found.modules}
    # The mean is a pool there.
    assert modules.keys() == {"input:x input", "conv1 conv2d+relu", "conv2 conv2d", " add+relu", "head linear"}
    head = modules["head linear"]
    assert head.drift == found.output
    assert 20 < head.drift.snr_db < 60
    assert sum(head.activations.second) == 16
    quantized = compare(sides[0], load(built / "gq", "gq", built), sample_of(noise(4)))
    expected = {f"{item.scope} {item.operator}": item.drift.snr_db for item in quantized.modules}
    for name, item in modules.items():
        if item.drift.snr_db is not None:
            assert item.drift.snr_db == pytest.approx(expected[name], abs=2)
    assert head.exempt == ("head",)


def test_a_runtime_without_inner_tensors_is_compared_at_its_output_and_says_so(built):
    found = compare(load(built / "gq", "gq", built), load(built / "gq-pte", "pte", built), sample_of(noise(3)))
    assert found.modules == ()
    assert found.output.snr_db is None or found.output.snr_db > 30
    assert "pte: outputs alone are compared; xnnpack shows no tensor inside of what it runs" in found.notes


def test_two_compiled_artifacts(built):
    found = compare(load(built / "gq-onnx", "onnx", built), load(built / "gq-pte", "pte", built), sample_of(noise(3)))
    assert found.modules == ()
    assert found.output.snr_db is None or found.output.snr_db > 30


def test_a_folded_convolution_is_not_taken_for_the_one_ahead_of_its_norm(loaded, tmp_path):
    """Without the Program between them nobody knows what was folded: the output alone is compared, and it is said."""
    model = loaded("resnet8_cifar10")
    images, _ = cifar("calib", 4)
    plain = export(model)
    fused = optimize(plain, targets.load("onnxruntime"), (ir.example_inputs(plain)[0][0] + 1,)).program
    ir.save(fused, tmp_path / "go.pt2")
    ir.save(plain, tmp_path / "float.pt2")
    compiled(fused, "onnxruntime", tmp_path / "onnx", (3, 32, 32))
    first = load(tmp_path / "float.pt2", "float", tmp_path)
    blind = compare(first, load(tmp_path / "onnx", "onnx", tmp_path), sample_of(images))
    assert blind.modules == ()
    assert any("the Program behind the compiled is not here" in note for note in blind.notes)
    found = compare(first, load(tmp_path / "onnx", "onnx", tmp_path, source=tmp_path / "go.pt2"), sample_of(images))
    assert {item.operator for item in found.modules} == {"input", "conv2d", "relu", "add", "mean", "linear"}
    assert all(item.drift.snr_db is None or item.drift.snr_db > 90 for item in found.modules)
