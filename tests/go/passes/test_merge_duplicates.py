"""Equal operators on equal arguments are computed once."""

from collections.abc import Callable

import torch
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.passes import merge_duplicates
from edgewright.go.witness import Witness

Export = Callable[..., ExportedProgram]


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.dropout = nn.Sigmoid(), nn.Sigmoid(), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x) * 1 + self.second(x) * 1.0 + nn.functional.dropout(x) + nn.functional.dropout(x)


def test_duplicates_share_the_smallest_scope_and_random_operators_stay(export: Export) -> None:
    module = ir.unlift(export(nn.Sequential(_Twice()), torch.zeros(2, 3)))
    work = Rewriting(module, Witness(module, [(torch.randn(2, 3),)]))
    assert merge_duplicates.run(work) == 1
    names = [ir.operator_name(node.target) for node in module.graph.nodes if node.op == "call_function"]
    assert names.count("sigmoid") == 1
    assert names.count("mul") == 2, "1 and 1.0 are different numbers"
    assert names.count("dropout") == 2
    (sigmoid,) = [node for node in module.graph.nodes if "sigmoid" in str(node.target)]
    assert ir.scope(sigmoid) == "0"
    assert sigmoid.meta["custom"]["from"] == ["sigmoid", "sigmoid_1"]
    assert merge_duplicates.run(work) == 0
