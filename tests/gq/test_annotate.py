import pytest
import torch
from torch import nn

from edgewright import ir, targets
from edgewright.gq.annotate import annotate, names_of
from edgewright.gq.scheme import Resolved
from tests.gq.nets import W4_DYNAMIC, W8_DYNAMIC, nodes, program_of, scheme, small


def annotated(program, target, wanted=None):
    module = ir.unlift(program)
    return module, annotate(module, targets.load(target), Resolved(wanted or scheme(), names_of(module).values()))


def plan_of(annotation, op, index=0):
    return [plan for plan in annotation.quantized if ir.operator_name(plan.node.target) == op][index]


@pytest.mark.parametrize("target", ["xnnpack", "onnxruntime", "ethos-u85-256"])
def test_an_activation_runs_inside_the_operator_that_fuses_it(target):
    module, found = annotated(small(), target)
    conv, add = plan_of(found, "conv2d"), plan_of(found, "add")
    relus = nodes(module, "relu")
    assert (conv.tail, add.tail) == (relus[0], relus[1])
    assert not [plan for plan in found.quantized if plan.node in relus]


def test_padding_is_absorbed_where_the_map_says_so():
    module, found = annotated(small(), "xnnpack")
    pad = nodes(module, "pad")[0]
    assert plan_of(found, "conv2d", 1).edges[0] == (pad, pad.args[0])
    module, found = annotated(small(), "ethos-u85-256")
    pad = nodes(module, "pad")[0]
    assert plan_of(found, "pad").shares
    assert plan_of(found, "conv2d", 1).edges[0][1] is pad


def test_what_layers_exempt_is_neither_fused_nor_absorbed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.relu, self.pad, self.second = (
                nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ZeroPad2d(1), nn.Conv2d(8, 8, 3)
            )  # fmt: skip

        def forward(self, x):
            return self.second(self.pad(self.relu(self.first(x))))

    program = program_of(Net(), 3, 8, 8)
    module, found = annotated(program, "xnnpack", scheme(layers={"relu": "float", "pad": "float"}))
    first, second = (plan_of(found, "conv2d", index) for index in (0, 1))
    assert (first.tail, first.inside, second.inside) == (first.node, (), ())
    assert second.edges[0][1] is nodes(module, "pad")[0]
    assert [(ir.scope(item.node), item.reason) for item in found.left_float] == [
        ("relu", "float by layers"), ("pad", "float by layers")
    ]  # fmt: skip


def test_what_the_target_cannot_do_is_left_float_with_a_reason():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x):
            return torch.erfinv(self.fc(x)).flatten(1)

    module, found = annotated(program_of(Net(), 2, 8), "xnnpack")
    reasons = {ir.operator_name(item.node.target): item.reason for item in found.left_float}
    assert reasons["erfinv"] == "xnnpack has no quantized kernel for it"
    assert "only moves data" in reasons["flatten"]
    assert plan_of(found, "linear").tail is nodes(module, "linear")[0]


def test_a_dynamic_scheme_leaves_all_but_weights_alone():
    _, found = annotated(small(), "xnnpack", scheme(W8_DYNAMIC))
    assert [ir.operator_name(plan.node.target) for plan in found.quantized] == ["linear"]
    assert found.quantized[0].is_dynamic
    assert {ir.operator_name(item.node.target) for item in found.left_float} == {"conv2d"}


def test_columns_that_no_group_divides_stay_float():
    _, found = annotated(small(), "xnnpack", scheme(W4_DYNAMIC))
    assert any("8 columns are not a multiple of the group of 32" in item.reason for item in found.left_float)


def test_an_exempt_module_is_float():
    _, found = annotated(small(), "xnnpack", scheme(layers={"conv2": "float"}))
    assert [ir.scope(item.node) for item in found.left_float if item.reason == "float by layers"] == ["conv2"]
