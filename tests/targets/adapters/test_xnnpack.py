from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import targets
from edgewright.targets.adapters import xnnpack
from edgewright.targets.adapters.xnnpack import _kernel_scopes


def test_operator_times_name_scopes(compiled: Callable[[str], Path], image: np.ndarray) -> None:
    times = xnnpack.operator_times(compiled("xnnpack"), (image,), threads=1, runs=20)
    convolutions = [item["scope"] for item in times if str(item["operator"]).startswith("Convolution")]
    assert convolutions == ["first", "second", "third"]
    assert [item["scope"] for item in times if str(item["operator"]).startswith("Fully")] == ["head"]
    assert sum(float(item["time_ms"]) for item in times) > 0


def test_kernels_that_do_not_pair_up_get_no_scope() -> None:
    order = [("convolution", "a"), ("convolution", "b"), ("add", "c")]
    kernels = ["Convolution (NHWC) #1", "Convert #1", "Add #1"]
    assert _kernel_scopes(kernels, order) == ["", "", "c"]


class Attention(nn.Module):
    """The parts of a decoder block whose usual spelling XNNPACK leaves to the host."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((32,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight
        heads = normed.view(-1, 8, 4, 8).transpose(1, 2)
        scores = torch.softmax(torch.matmul(heads, heads.transpose(2, 3)), -1)
        return torch.matmul(scores, heads).transpose(1, 2).reshape(-1, 8, 32)


@pytest.mark.parametrize("batch", [1, 3])
def test_norm_and_attention_are_delegated_whole(batch: int, tmp_path: Path) -> None:
    module = Attention().eval()
    with torch.no_grad():
        program = torch.export.export(
            module, (torch.zeros(2, 8, 32),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
        )
    inputs = np.random.default_rng(0).normal(size=(batch, 8, 32)).astype(np.float32)
    target = targets.load("xnnpack")
    manifest = xnnpack.compile(program, target, tmp_path, batch_inputs=(inputs,))
    assert manifest.not_delegated == ()
    assert manifest.delegates == 1
    output = xnnpack.session(tmp_path, target, 1)((inputs,))
    np.testing.assert_allclose(output, module(torch.from_numpy(inputs)).detach(), atol=1e-5)


def test_output_survives_the_next_run(compiled: Callable[[str], Path], image: np.ndarray) -> None:
    run = xnnpack.session(compiled("xnnpack"), targets.load("xnnpack"), 1)
    first = run((image,))
    kept = first.copy()
    run((image * 2,))
    np.testing.assert_array_equal(first, kept)
