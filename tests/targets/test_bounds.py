from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn import functional as F

from edgewright.targets.bounds import refusal
from edgewright.targets.schema import Bounds

WEIGHT = torch.zeros(4, 3, 3, 3)


class Call(nn.Module):
    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


def node_of(call: Callable[[Tensor], Tensor]) -> Node:
    graph = torch.export.export(Call(call).eval(), (torch.zeros(1, 3, 24, 24),)).graph
    return [node for node in graph.nodes if node.op == "call_function"][-1]


@pytest.mark.parametrize(
    ("bounds", "call", "reason"),
    [
        ({}, lambda x: F.avg_pool2d(x, 8), None),
        ({"stride": 3}, lambda x: F.avg_pool2d(x, 3), None),
        ({"stride": 3}, lambda x: F.avg_pool2d(x, 4), "its stride of 4 is above 3"),
        ({"stride": 3}, lambda x: F.avg_pool2d(x, 4, 2), None),
        ({"stride": 3}, lambda x: F.max_pool2d(x, 2, (1, 4)), "its stride of 4 is above 3"),
        ({"padded_stride": 3}, lambda x: F.conv2d(x, WEIGHT, stride=4), None),
        ({"padded_stride": 3}, lambda x: F.conv2d(x, WEIGHT, stride=4, padding=1),
         "its stride of 4 with padding is above 3"),
        ({"padded_stride": 3}, lambda x: F.conv2d(x, WEIGHT, stride=4, dilation=2),
         "its stride of 4 with dilation is above 3"),
        ({"padded_stride": 3}, lambda x: F.conv2d(x, WEIGHT, stride=3, padding=1), None),
        ({"padded_window": 8}, lambda x: F.avg_pool2d(x, 9, 1, 1), None),
        ({"padded_window": 8}, lambda x: F.avg_pool2d(x, 9, 1, 1, count_include_pad=False),
         "its padded window of 9 is above 8"),
        ({"padded_window": 8}, lambda x: F.avg_pool2d(x, 8, 1, 1, count_include_pad=False), None),
        ({"scales": (2, 4)}, lambda x: F.interpolate(x, scale_factor=2.0), None),
        ({"scales": (2, 4)}, lambda x: F.interpolate(x, size=(96, 96)), None),
        ({"scales": (2, 4)}, lambda x: F.interpolate(x, scale_factor=3.0), "its scale of 3 x 3 is not 2 or 4"),
        ({"scales": (2, 4)}, lambda x: F.interpolate(x, size=(48, 96)), "its scale of 2 x 4 is not 2 or 4"),
    ],
)  # fmt: skip
def test_a_call_out_of_bounds_is_refused_with_its_size(
    bounds: dict[str, object], call: Callable[[Tensor], Tensor], reason: str | None
) -> None:
    assert refusal(Bounds.model_validate(bounds), node_of(call)) == reason
