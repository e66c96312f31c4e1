"""Weights in blocks, against the contrib operator of ONNX Runtime itself."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.fx import Graph

from edgewright.targets.adapters._nbits import block_of, pack
from edgewright.targets.adapters._tokens import IntegerLinear


def linear(bits, rows, columns, group, asymmetric):
    generator = torch.Generator().manual_seed(0)
    half, groups = 1 << (bits - 1), -(-columns // group)
    integers = torch.randint(-half, half, (rows, columns), generator=generator).to(torch.int8)
    scale = torch.rand((rows, groups), generator=generator) * 0.01 + 0.01
    zeros = torch.randint(-half, half, (rows, groups), generator=generator) * int(asymmetric)
    node = Graph().placeholder("x")
    return IntegerLinear(node, node, None, integers, scale, zeros.to(torch.int32), bits, group, False, False)


def dense(item):
    scale, zeros = (value.repeat_interleave(item.group, 1)[:, : item.integers.shape[1]]
                    for value in (item.scale, item.zero_point))  # fmt: skip
    return ((item.integers - zeros) * scale).numpy()


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize(
    ("bits", "columns", "group"),
    [(4, 64, 32), (8, 64, 16), (4, 96, 48), (4, 100, 100), (8, 172, 172), (4, 48, 16), (8, 512, 512)],
)
def test_the_operator_multiplies_by_the_weight(bits, columns, group, asymmetric):
    item = linear(bits, 8, columns, group, asymmetric)
    blocks = pack(item)
    inputs, constants = ["x", "w", "s"], {"w": blocks.packed, "s": blocks.scale}
    if blocks.zero_point is not None:
        inputs, constants = [*inputs, "z"], {**constants, "z": blocks.zero_point}
    assert (blocks.zero_point is None) == (not asymmetric)
    node = helper.make_node("MatMulNBits", inputs, ["y"], domain="com.microsoft", K=columns, N=8, bits=bits,
                            block_size=blocks.block, accuracy_level=1)  # fmt: skip
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, columns))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, 8))],
        [numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(3, columns)).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], x @ dense(item).T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("columns", "group", "block"), [(64, 32, 32), (96, 48, 16), (512, 512, 256), (172, 172, 32), (344, 344, 32)]
)
def test_blocks_are_powers_of_two_that_scales_do_not_meet_in(columns, group, block):
    assert block_of(columns, group) == block


def test_four_bits_take_half_a_byte():
    item = linear(4, 8, 64, 32, False)
    assert pack(item).packed.numel() == 8 * 64 // 2
