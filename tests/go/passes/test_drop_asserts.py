"""Run-time checks go, and what only they read."""

from collections.abc import Callable

import torch
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.passes import drop_asserts


class _Checked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(torch.float32) + 1


def test_asserts_are_dropped(export: Callable[..., ExportedProgram]) -> None:
    module = ir.unlift(export(_Checked(), torch.zeros(2, 3)))
    assert any("assert" in str(node.target) for node in module.graph.nodes)
    work = Rewriting(module)
    drop_asserts.run(work)
    assert [ir.operator_name(node.target) for node in module.graph.nodes if node.op == "call_function"] == ["to", "add"]
    assert [firing.rule for firing in work.firings] == ["drop-asserts"]
