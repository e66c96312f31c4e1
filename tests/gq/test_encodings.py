import copy
import json

import pytest
import torch

from edgewright import gq, ir, targets
from edgewright.errors import ConfigError
from tests.gq.nets import nodes, noise, sample_of, scheme, small


def quantized(**arguments):
    return gq.quantize(small(), targets.load("xnnpack"), scheme(), sample_of(noise()), **arguments)


@pytest.fixture(scope="module")
def encodings():
    return json.loads(json.dumps(quantized().encodings))


def test_what_is_written_is_read_back_to_the_same_program(encodings, tmp_path):
    (tmp_path / "encodings.json").write_text(json.dumps(encodings))
    again = quantized(encodings=gq.Overrides.load(tmp_path / "encodings.json"))
    ir.save(again.program, tmp_path / "again.pt2")
    ir.save(quantized().program, tmp_path / "first.pt2")
    assert (tmp_path / "again.pt2").read_bytes() == (tmp_path / "first.pt2").read_bytes()
    assert {item["method"] for item in again.encodings["tensors"]} == {"encodings"}


def test_it_says_what_each_tensor_and_weight_is_quantized_with(encodings):
    tensors = {item["name"]: item for item in encodings["tensors"]}
    entry = tensors[":relu"]
    assert entry["dtype"] == "int8"
    assert entry["method"] == "minmax"
    assert entry["min"] == pytest.approx((-128 - entry["zero_point"]) * entry["scale"])
    assert tensors[":mean"]["shared_by"] == [":flatten"]
    weights = {item["module"]: item for item in encodings["weights"]}
    assert weights["conv2"]["source"] in ("rtn", "gptq")
    assert len(weights["conv2"]["scales"]) == 8
    assert [(step["methods"], step["operators"]) for step in encodings["corrections"]] == [(["gptq", "bias"], 3)]


def test_an_edited_scale_is_used_and_the_rest_is_calibrated(encodings):
    edited = copy.deepcopy(encodings)
    edited["tensors"] = [item for item in edited["tensors"] if item["name"] == "input:x"]
    edited["tensors"][0] |= {"scale": 0.25, "zero_point": 3}
    edited["weights"] = [item for item in edited["weights"] if item["module"] == "head"]
    edited["weights"][0]["scales"] = [0.5, 0.25, 0.125, 1.0]
    result = quantized(encodings=gq.Overrides.parse(edited, "encodings.json"))
    module = ir.unlift(result.program)
    assert nodes(module, "quantize_per_tensor")[0].args[1:3] == (0.25, 3)
    (linear,) = nodes(module, "linear")
    assert torch.equal(ir.tensor_of(module, linear.args[1].args[1]), torch.tensor([0.5, 0.25, 0.125, 1.0]))
    others = {item["name"]: item["scale"] for item in result.encodings["tensors"] if item["name"] != "input:x"}
    assert others == {item["name"]: item["scale"] for item in encodings["tensors"] if item["name"] != "input:x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["tensors"][0].update(scale=0.0), "scale"),
        (lambda e: e["tensors"][0].update(scale=-1.0), "scale"),
        (lambda e: e["tensors"][0].update(scale=1e300), "scale"),
        (lambda e: e["tensors"][0].update(zero_point=200), "zero_point 200 is outside of -128..127"),
        (lambda e: e["tensors"][0].update(symmetric=True, zero_point=1), "must be 0"),
        (lambda e: e["tensors"][0].update(symmetric=True, unsigned=True, zero_point=1), "must be 0 or -128"),
        (lambda e: e["tensors"][0].update(unsigned=True), "unsigned; the scheme gives it 8 bits"),
        (lambda e: e["tensors"][0].update(scal=1.0), "unknown key 'scal' .*did you mean 'scale'"),
        (lambda e: e["tensors"][0].update(name="input:y"), "no quantized tensor 'input:y' .*input:x"),
        (lambda e: e["tensors"][0].update(bits=16), "the scheme gives it 8 bits"),
        (lambda e: e["weights"][0].update(bits=4), "'conv1' has 4-bit .*; the scheme gives it 8-bit weights"),
        (lambda e: e["weights"][0].update(granularity="tensor"), "'conv1' has 8-bit weights per tensor; the scheme"),
        (lambda e: e["weights"][0].update(granularity="group", group=32), "'conv1' has 8-bit weights per group of 32"),
        (lambda e: e["weights"][0].update(symmetric=False), "'conv1' has asymmetric 8-bit"),
        (lambda e: e.update(target="onnxruntime"), "target is onnxruntime; the program is quantized for xnnpack"),
        (lambda e: e["weights"][0].update(module="conv9"), "of a module 'conv9' .*conv"),
        (lambda e: e["weights"][0].update(scales=[1.0]), "'conv1': 1 scales, 8 are needed"),
        (lambda e: e["weights"][0].update(scales=[0.0] * 8), r"'conv1': scales\[0\] is 0"),
        (lambda e: e.update(schema=2), "schema"),
    ],
)
def test_an_edit_out_of_range_is_one_line(encodings, change, message):
    edited = copy.deepcopy(encodings)
    change(edited)
    with pytest.raises(ConfigError, match=message) as error:
        quantized(encodings=gq.Overrides.parse(edited, "encodings.json"))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("encodings.json")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"missing.json: No such file"):
        gq.Overrides.load(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match=r"broken.json: not JSON"):
        gq.Overrides.load(tmp_path / "broken.json")
