"""What depends on constants alone becomes one; what depends on data or on the batch entry does not."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.passes import drop_asserts, fold_constants
from edgewright.go.pattern import aten
from edgewright.go.witness import Witness

Export = Callable[..., ExportedProgram]


def _folded(program: ExportedProgram, *samples: torch.Tensor) -> Rewriting:
    module = ir.unlift(program)
    work = Rewriting(module)
    drop_asserts.run(work)
    work.firings.clear()
    work.witness = Witness(module, [samples]) if samples else None
    fold_constants.run(work)
    return work


def _operators(work: Rewriting) -> list[str]:
    return [ir.operator_name(node.target) for node in work.module.graph.nodes if node.op == "call_function"]


class _Positions(nn.Module):
    """As transformers makes position ids: aranged, expanded to the batch, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.tensor([1.0, 0.1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(x.shape[1])[None].expand(x.shape[0], -1)
        angles = positions[:, :, None].float() * self.frequencies
        return x * angles.cos() + x * angles.sin()


class _BatchIndex(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(x.shape[0])[:, None, None]


class _Thresholds(nn.Module):
    """What differs first at an eighth, or at a hundredth, batch entry."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch = torch.arange(x.shape[0])[:, None, None]
        return x + batch // 8 + (batch < 100)


class _Converted(nn.Module):
    """The name of the folded node is that of a method of every module."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(x.shape[2]).to(torch.float32)


class _Masked(nn.Module):
    """Gathers with the batch index, as transformers does for packed sequences; all entries are equal."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, positions = torch.arange(x.shape[0]), torch.arange(x.shape[1])
        ids = positions[None].expand(x.shape[0], -1)
        return x.masked_fill(ids[batch[:, None], positions][:, :, None] < 2, 0.0)


class _Quantized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(3, 8, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(3, 2))
        self.register_buffer("zero_point", torch.zeros(3, 2, dtype=torch.int8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.ops.torchao.dequantize_affine(
            self.weight, [1, 4], self.scale, self.zero_point, torch.int8, -8, 7)
        return nn.functional.linear(x, weight)


def test_position_arithmetic_is_folded_for_every_batch(export: Export) -> None:
    x = torch.randn(3, 5, 2)
    work = _folded(export(_Positions(), x), x)
    assert set(_operators(work)) == {"sym_size", "expand", "mul", "add"}
    (reason,) = {firing.reason for firing in work.firings}
    assert reason == "the same for every batch entry, tried at batches 1, 2, 3, 5, 64"
    assert all(firing.witness is not None and firing.witness.max_abs == 0.0 for firing in work.firings)
    work.module.recompile()
    for rows in (1, 4):
        y = torch.randn(rows, 5, 2)
        torch.testing.assert_close(work.module(y), _Positions()(y), rtol=0, atol=0)


def test_indexing_with_the_batch_index_is_folded_where_all_entries_are_equal(export: Export) -> None:
    x = torch.randn(3, 5, 2)
    work = _folded(export(_Masked(), x), x)
    assert set(_operators(work)) == {"sym_size", "expand", "masked_fill"}


def test_what_differs_between_batch_entries_stays(export: Export) -> None:
    x = torch.randn(3, 5, 2)
    work = _folded(export(_BatchIndex(), x), x)
    assert "arange" in _operators(work)
    work.module.recompile()
    torch.testing.assert_close(work.module(x), _BatchIndex()(x))


def test_what_may_differ_at_a_batch_that_is_not_tried_stays(export: Export) -> None:
    work = _folded(export(_Thresholds(), torch.randn(3, 5, 2)))
    work.module.recompile()
    x = torch.randn(130, 5, 2)
    torch.testing.assert_close(work.module(x), _Thresholds()(x), rtol=0, atol=0)


def test_the_large_batch_is_tried_only_where_it_takes_little_memory(export: Export, monkeypatch: Any) -> None:
    monkeypatch.setattr(fold_constants, "LIMIT_BYTES", 5 * 2 * 8)
    work = _folded(export(_Positions(), torch.randn(3, 5, 2)))
    assert {firing.reason for firing in work.firings} == {
        "the same for every batch entry, tried at batches 1, 2, 3, 5"}


def test_constant_does_not_take_the_name_of_a_method(export: Export) -> None:
    work = _folded(export(_Converted(), torch.randn(3, 5, 2)))
    assert [node.target for node in work.module.graph.find_nodes(op="get_attr")] == ["to_1"]


def test_quantized_weights_stay_integers(export: Export) -> None:
    work = _folded(export(_Quantized(), torch.randn(2, 8)))
    assert _operators(work) == ["dequantize_affine", "linear"]
    assert not work.firings


def test_large_constants_stay_computed(export: Export, monkeypatch: Any) -> None:
    monkeypatch.setattr(fold_constants, "LIMIT_BYTES", 4)
    work = _folded(export(_Masked(), torch.randn(3, 5, 2)))
    assert "arange" in _operators(work)


def test_folded_constants_carry_scope_and_provenance(export: Export) -> None:
    work = _folded(export(nn.Sequential(_Positions()), torch.randn(3, 5, 2)))
    (first, second) = work.module.graph.find_nodes(op="call_function", target=aten.expand.default)
    assert ir.scope(first) == ir.scope(second) == "0"
    assert first.meta["custom"]["rules"] == ["fold-constants"]
    assert "arange" in first.meta["custom"]["from"]
