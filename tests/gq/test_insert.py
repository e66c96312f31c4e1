import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.gq.operators import is_operator
from tests.gq.nets import W8_DYNAMIC, nodes, noise, program_of, run, sample_of, scheme, small

Q, DQ = "quantize_per_tensor", "dequantize_per_tensor"


def quantized(program, target="xnnpack", values=None, array=None):
    array = noise() if array is None else array
    return gq.quantize(program, targets.load(target), values or scheme(), sample_of(array)).program


def test_every_user_has_a_dequantize_of_its_own_and_every_node_a_scope():
    module = ir.unlift(quantized(small()))
    for node in nodes(module, Q):
        assert all(ir.operator_name(user.target) == DQ for user in node.users)
    for node in nodes(module, DQ):
        assert len(node.users) == 1
        assert node.args[1:] == node.args[0].args[1:]
    for node in module.graph.nodes:
        if is_operator(node):
            assert node.meta["nn_module_stack"]
            assert node.meta["custom"]["from"]


def test_input_and_output_are_quantized_at_the_border():
    module = ir.unlift(quantized(small()))
    (placeholder,) = (node for node in module.graph.nodes if node.op == "placeholder")
    assert [ir.operator_name(user.target) for user in placeholder.users] == [Q]
    assert ir.operator_name(module.graph.output_node().all_input_nodes[0].target) == DQ


def test_no_pair_stands_between_an_operator_and_what_runs_inside_it():
    module = ir.unlift(quantized(small()))
    conv1, conv2 = nodes(module, "conv2d")
    assert [ir.operator_name(user.target) for user in conv1.users] == ["relu"]
    assert ir.operator_name(conv2.args[0].target) == "pad"
    assert ir.operator_name(conv2.args[1].target) == "dequantize_per_channel"


def test_a_constant_operand_becomes_integers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 8)
            self.offset = nn.Parameter(torch.linspace(-1, 1, 8))

        def forward(self, x):
            return self.fc(x) + self.offset

    module = ir.unlift(quantized(program_of(Net(), 8), array=noise(8, 8)))
    (add,) = nodes(module, "add")
    constant = add.args[1].args[0]
    assert constant.op == "get_attr"
    assert ir.tensor_of(module, constant).dtype == torch.int8


def test_a_float_operator_reads_the_float_tensor_of_a_float_operator():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            y = torch.erfinv(torch.tanh(self.a(x)) * 0.5)
            return self.b(y), torch.exp(y)

    program = program_of(Net(), 8)
    module = ir.unlift(quantized(program, array=noise(8, 8)))
    assert ir.operator_name(nodes(module, "exp")[0].args[0].target) == "erfinv"


def test_dynamic_parameters_are_those_of_each_token():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 16)

        def forward(self, x):
            return self.fc(x)

    torch.manual_seed(0)
    program = program_of(Net(), 5, 64)
    array = noise(4, 5, 64) * np_scale()
    result = quantized(program, values=scheme(W8_DYNAMIC), array=array)
    module = ir.unlift(result)
    (linear,) = nodes(module, "linear")
    assert ir.operator_name(linear.args[0].target) == "dequantize_affine"
    assert linear.args[0].args[1] == [1, 1, 64]
    difference = (run(result, array) - run(program, array)).abs().amax(-1)
    scale = run(program, array).abs().amax(-1)
    assert float((difference / scale).max()) < 0.03


def np_scale():
    import numpy as np

    return np.array([1e-3, 1, 10, 1e3, 1e4], np.float32)[None, :, None]
