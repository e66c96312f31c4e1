"""The spelling with MatMulInteger, against the Program's own dynamic quantization."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional as F

from edgewright import targets
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights


def form(symmetric, granularity="channel"):
    return Kernel(
        name="form",
        weights=KernelWeights(bits=8, granularity=granularity),
        activations=KernelActivations(bits=8, mode="dynamic", symmetric=symmetric),
    )


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_integers_are_multiplied_and_equal_the_program(symmetric, granularity, tmp_path: Path):
    target = targets.load("onnxruntime")
    adapter = targets.adapter(target)
    example = Example(F.linear, ((1, 5, 24),), (7, 24), low=-1.0)
    program, inputs, _ = one_operator(example, form(symmetric, granularity), shared=False)
    adapter.compile(program, target, tmp_path, batch_inputs=inputs)
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operators.count("MatMulInteger") == 1
    assert not {"MatMul", "Gemm", "DequantizeLinear"} & set(operators)
    run = adapter.session(tmp_path, target, 1)
    for scale in (1.0, 1e-3, 0.0):
        rows = np.random.default_rng(1).normal(size=(1, 5, 24)).astype(np.float32) * scale
        with torch.no_grad():
            expected = program.module(check_guards=False)(torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(run((rows,)), expected, rtol=1e-5, atol=1e-6)
