import torch
from torch import nn

from edgewright import ir, targets
from edgewright.gq.annotate import annotate, names_of
from edgewright.gq.groups import solve
from edgewright.gq.names import name_tensors
from edgewright.gq.scheme import Resolved
from tests.gq.nets import program_of, scheme, small


def groups_of(program, target):
    module = ir.unlift(program)
    found = annotate(module, targets.load(target), Resolved(scheme(), names_of(module).values()))
    return solve(found, name_tensors(module))


def test_a_pool_has_its_own_range_and_a_flatten_its_input_s():
    groups = {group.name: group for group in groups_of(small(), "ethos-u85-256")}
    assert [member.name for member in groups[":mean"].members] == ["mean", "flatten"]
    assert [member.name for member in groups[":mean"].sources] == ["mean"]
    assert ":relu#2" in groups


def test_a_concatenation_ties_all_its_inputs_through_chains():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(8, 8) for _ in range(3))

        def forward(self, x):
            joined = torch.cat([self.a(x), self.b(x)], 1)
            return torch.cat([joined, self.c(x)], 1).reshape(-1, 12, 2)

    groups = groups_of(program_of(Net(), 8), "xnnpack")
    shared = max(groups, key=lambda group: len(group.members))
    assert [member.name for member in shared.sources] == ["linear", "linear_1", "linear_2"]
    assert len(shared.members) == 6


def test_names_are_unique_and_readable():
    module = ir.unlift(small())
    names = list(name_tensors(module).values())
    assert len(set(names)) == len(names)
    assert {"input:x", "conv1:conv2d", ":relu", ":relu#2", "head:linear"} <= set(names)
