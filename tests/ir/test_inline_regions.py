"""Regions that only switch gradients or autocast, as older exports and some models leave them, are inlined."""

from typing import Any

import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.ir.inline_regions import inline_regions


class _Module(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def _pair(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        angle = x.sin()
        pair = angle * 2, angle + 1
    return pair[0] * x + pair[1]


def _autocast(x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        y = x.sin()
    return x * y


def _nested(x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        y = x.sin()
        with torch.no_grad():
            z = y.cos()
        y = y + z
    return x * y


def _result(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    with torch.no_grad():
        return y.sin()


@pytest.mark.parametrize("function", [_pair, _autocast, _nested, _result])
def test_region_is_inlined_and_computes_the_same(function: Any) -> None:
    x, module = torch.randn(2, 3), nn.Sequential(_Module(function), nn.Sigmoid())
    for wrapped in (module, module[0]):
        program = torch.export.export(wrapped, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
        assert any("wrap_with" in str(node.target) for node in program.graph.nodes), "torch exports it as a region"
        inlined = inline_regions(program)
        ir.verify(inlined)
        more = torch.randn(5, 3)
        torch.testing.assert_close(inlined.module()(more), wrapped(more), rtol=0, atol=0)


def test_program_without_regions_is_left_as_it_is() -> None:
    program = torch.export.export(nn.Sigmoid(), (torch.randn(2, 3),))
    assert inline_regions(program) is program
