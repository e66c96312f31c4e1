"""Regions without gradients, as older exports leave them, are inlined."""

import torch
from torch import nn

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.passes import inline_regions


class _Table(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            angle = x.sin()
            pair = angle * 2, angle + 1
        return pair[0] * x + pair[1]


def test_region_is_inlined_and_computes_the_same() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    program = torch.export.export(nn.Sequential(_Table(), nn.Sigmoid()), (x.detach(),))
    module = ir.unlift(program)
    assert any("set_grad" in str(node.target) for node in module.graph.nodes), "torch exports it as a region"
    work = Rewriting(module)
    inline_regions.run(work)
    module.recompile()
    assert not any("set_grad" in str(node.target) for node in module.graph.nodes)
    assert all(node.meta.get("nn_module_stack") for node in module.graph.nodes if node.op == "call_function")
    torch.testing.assert_close(module(x), nn.Sequential(_Table(), nn.Sigmoid())(x), rtol=0, atol=0)
    assert [firing.rule for firing in work.firings] == ["inline-regions"]
