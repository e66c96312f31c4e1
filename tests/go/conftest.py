"""Targets and programs for the tests of graph optimization."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir


@dataclass(frozen=True)
class PlainTarget:
    """A target by its kernels and preferences."""

    kernels: frozenset[str] = frozenset()
    prefers: Mapping[str, str] = field(default_factory=dict)
    name: str = "plain"

    def supports(self, op: str) -> bool:
        return op in self.kernels


@pytest.fixture
def make_target() -> Callable[..., PlainTarget]:
    def make(*kernels: str, **prefers: str) -> PlainTarget:
        return PlainTarget(frozenset(kernels), prefers)

    return make


@pytest.fixture
def export() -> Callable[..., ExportedProgram]:
    def run(module: nn.Module, *inputs: torch.Tensor) -> ExportedProgram:
        return ir.export(module.eval(), [(tuple(value.shape[1:]), value.dtype) for value in inputs])

    return run
