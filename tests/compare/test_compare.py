"""Real quantizations side by side with their float Programs."""

import copy

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from edgewright import gq, ir, targets
from edgewright.compare.artifact import Artifact, load
from edgewright.compare.compare import compare
from edgewright.config.schemes import GqScheme
from edgewright.errors import InputError
from edgewright.go.optimize import optimize
from edgewright.models.load import export
from tests.gq.nets import W4_DYNAMIC, W8A8, Small, cifar, noise, program_of, sample_of, scheme, small


def artifact(program, folder, name):
    path = folder / f"{name}.pt2"
    ir.save(program, path)
    return load(path, name, folder)


def quantized(program, sample, values=W8A8, target="xnnpack"):
    return gq.quantize(program, targets.load(target), scheme(values), sample)


@pytest.fixture
def pair(tmp_path) -> tuple[Artifact, Artifact]:
    program, sample = small(), sample_of(noise())
    return artifact(program, tmp_path, "float"), artifact(quantized(program, sample).program, tmp_path, "gq")


def by_name(found):
    return {f"{item.scope} {item.operator}": item for item in found.modules}


def test_drift_and_output_are_those_of_the_two_programs(pair):
    x = noise(5, seed=1)
    found = compare(*pair, sample_of(x), histograms=True)
    with torch.no_grad():
        a, b = (side.content(torch.from_numpy(x)).numpy().astype(np.float64) for side in pair)
    assert found.output.mse == pytest.approx(((a - b) ** 2).mean(), rel=1e-4)
    modules = by_name(found)
    assert modules.keys() == {"input:x input", "conv1 conv2d+relu", "conv2 conv2d", " add+relu", " mean",
                              "head linear"}  # fmt: skip
    head = modules["head linear"]
    assert head.drift == found.output
    # An operator that reads float tensors adds less than has added up by then.
    assert head.local.mse < head.drift.mse
    assert modules["input:x input"].exempt == ()
    first = modules["conv1 conv2d+relu"].activations
    assert sum(first.first) == sum(first.second) == 5 * 8 * 8 * 8
    assert first.first != first.second
    assert sum(head.weights.histograms.first) == 8 * 4
    assert head.weights.figures.snr_db > 35
    assert modules["conv2 conv2d"].exempt == ("conv2",)
    assert modules["conv1 conv2d+relu"].exempt == ("conv1", ":relu")


def test_an_operator_alone_reads_and_is_read_in_float(pair):
    """The head on its integer grids, the rest of the float Program around it."""
    x = noise(5, seed=1)
    found = by_name(compare(*pair, sample_of(x)))["head linear"]
    module, other = (side.content for side in pair)
    heads = [next(node for node in item.graph.nodes if ir.operator_name(node.target) == "linear") for item in
             (module, other)]  # fmt: skip
    quantize = next(iter(heads[1].users))
    scale, zero_point = quantize.args[1:3]
    weight, bias = (_value(other, heads[1].args[index], x) for index in (1, 2))
    made = nn.functional.linear(_value(module, heads[0].args[0], x), weight, bias)
    made = ((made / scale).round() + zero_point).clamp(-128, 127).sub(zero_point).mul(scale)
    assert found.output_mse == pytest.approx(float(((made - _value(module, heads[0], x)) ** 2).mean()), rel=1e-3)


def _value(module, node, x):
    kept = {}

    class Keep(torch.fx.Interpreter):
        def run_node(self, n):
            kept[n] = super().run_node(n)
            return kept[n]

    with torch.no_grad():
        Keep(module).run(torch.from_numpy(x))
    return kept[node]


def test_the_sum_of_the_parts_is_near_the_whole_where_errors_are_small(pair):
    found = compare(*pair, sample_of(noise(8, seed=1)))
    assert found.parts.total == pytest.approx(sum(item.output_mse for item in found.modules))
    assert found.parts.whole == found.output.mse
    assert sum(found.share(item) for item in found.modules) == pytest.approx(1)
    assert 0.5 < found.parts.total / found.parts.whole < 2
    assert found.note is None


class Difference(nn.Module):
    """The same input through two linears whose equal errors cancel."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        return self.first(x) - self.second(x)


def test_errors_that_cancel_are_said_in_a_line(tmp_path):
    torch.manual_seed(0)
    net = Difference()
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.first.weight += 0.1
        other.second.weight += 0.09
    sides = [artifact(program_of(item, 8), tmp_path, name) for item, name in ((net, "a"), (other, "b"))]
    found = compare(*sides, sample_of(noise(6, 8)))
    assert found.parts.whole / found.parts.total == pytest.approx(0.01**2 / (0.1**2 + 0.09**2), rel=1e-3)
    assert "181.0 times less: errors cancel" in found.note


def test_reinforcing_errors_are_said(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(6)))
    for layer in net:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    other = copy.deepcopy(net)
    with torch.no_grad():
        for layer in other:
            layer.weight *= 1.01
    sides = [artifact(program_of(item, 4), tmp_path, name) for item, name in ((net, "a"), (other, "b"))]
    found = compare(*sides, sample_of(noise(6, 4)))
    assert found.parts.whole / found.parts.total == pytest.approx((1.01**6 - 1) ** 2 / (6 * 0.01**2), rel=1e-2)
    assert "errors reinforce each other" in found.note
    assert found.json_value()["parts"]["note"] == found.note


def test_a_planted_bad_layer_of_resnet8_comes_first(loaded, tmp_path):
    model = loaded("resnet8_cifar10")
    images, _ = cifar("calib", 24)
    sample = sample_of(images)
    target = targets.load("xnnpack")
    plain = export(model)
    witness = tuple(torch.from_numpy(array) for array in next(sample.batches(2)))
    fused = optimize(plain, target, witness).program
    module = ir.unlift(fused)
    weights = dict(module.named_buffers()) | dict(module.named_parameters())
    with torch.no_grad():
        weights["stage2.conv1.weight"][5] *= 1000
        weights["stage2.conv1.bias"][5] *= 1000
        weights["stage2.conv2.weight"][:, 5] /= 1000
    bad = ir.relift(module, fused)
    sides = [artifact(program, tmp_path, name) for name, program in (("float", plain), ("go", bad))]
    clean = compare(*sides, sample.head(4))
    assert clean.output.snr_db > 90
    made = artifact(quantized(bad, sample.head(16)).program, tmp_path, "gq")
    found = compare(sides[0], made, sample.head(8))
    assert found.modules[0].scope == "stage2.conv1"
    assert found.share(found.modules[0]) > 0.5
    # The figures of the tensor itself do not tell: its energy is that of the one large channel.
    assert found.output.snr_db < 10


def exempted(found, values):
    layers = yaml.safe_load("\n".join(line for item in found.modules[:2] for line in item.yaml_lines()))
    return GqScheme.model_validate({**values, "layers": layers}), layers


@pytest.mark.parametrize("values", [W8A8, W4_DYNAMIC])
def test_the_lines_are_a_scheme_that_leaves_those_operators_float(values, tmp_path):
    torch.manual_seed(0)
    net = Small() if values is W8A8 else nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8))
    shape = (3, 8, 8) if values is W8A8 else (32,)
    program, sample = program_of(net, *shape), sample_of(noise(12, *shape))
    first = artifact(program, tmp_path, "float")
    found = compare(first, artifact(quantized(program, sample, values).program, tmp_path, "gq"), sample)
    changed, layers = exempted(found, values)
    result = gq.quantize(program, targets.load("xnnpack"), changed, sample)
    left = {(item["scope"], item["reason"]) for item in result.encodings["left_float"]}
    for item in found.modules[:2]:
        assert (item.scope, "float by layers") in left or not item.exempt
    assert layers
    again = compare(first, artifact(result.program, tmp_path, "exempt"), sample)
    assert again.output.mse < found.output.mse


def test_equal_comparisons_are_equal_and_json_has_every_figure(pair):
    sample = sample_of(noise(3))
    values = [compare(*pair, sample, histograms=True).json_value() for _ in range(2)]
    assert values[0] == values[1]
    assert values[0].keys() == {"schema", "first", "second", "samples", "modules", "output", "parts", "not_compared",
                                "notes"}  # fmt: skip
    assert values[0]["modules"][0].keys() == {
        "scope", "operator", "drift", "local", "output_mse", "share", "weights", "activations", "yaml",
    }  # fmt: skip


def test_a_program_against_itself_differs_nowhere(pair):
    found = compare(pair[1], pair[1], sample_of(noise(3)))
    assert {item.drift.snr_db for item in found.modules} == {None}
    # Rounded tensors that are read anew are on their grids already.
    assert found.output.snr_db is None


def test_without_parts_the_drift_decides_the_order(pair):
    found = compare(*pair, sample_of(noise(3)), parts=False)
    assert found.parts is None
    known = [item.drift.snr_db for item in found.modules if item.drift.snr_db is not None]
    assert known == sorted(known)


def test_what_does_not_fit_is_an_error_in_one_line(pair, tmp_path):
    with pytest.raises(InputError, match=r"float takes inputs float32 \[3, 8, 8\], the sample has float32 \[3, 9, 9\]"):
        compare(*pair, sample_of(noise(2, 3, 9, 9)))
    with pytest.raises(InputError, match="the sample is empty"):
        compare(*pair, sample_of(noise(0)))

    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.other = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            return self.other(x).sigmoid()

    other = artifact(program_of(Other(), 3, 8, 8), tmp_path, "other")
    with pytest.raises(InputError, match="float and other have no operator in common"):
        compare(pair[0], other, sample_of(noise(2)))
    with pytest.raises(InputError, match="no such file or folder"):
        load(tmp_path / "nothing", "nothing", tmp_path)
    with pytest.raises(InputError, match="not an artifact"):
        load(tmp_path, "folder", tmp_path)
