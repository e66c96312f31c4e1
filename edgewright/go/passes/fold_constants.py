"""Compute what depends on constants alone: position arithmetic, rotary tables, attention masks.

A value that also depends on the symbolic batch size is folded where it is the same for every batch entry, to one entry
that is expanded to the batch. That is tried at a few batch sizes, the large one only where it takes little memory, and
refused where a batch index is compared or divided, which may differ first at a batch that was not tried.
Quantization operators are never folded.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import map_arg

from edgewright import ir
from edgewright.go.build import Builder
from edgewright.go.engine import Rewriting
from edgewright.go.firing import Firing, scope_of
from edgewright.go.match import bits, is_constant, is_tensor
from edgewright.go.passes.purity import is_pure
from edgewright.go.pattern import aten
from edgewright.go.rule import Class

NAME = "fold-constants"
LIMIT_BYTES = 64 * 2**20
"""A constant larger than this, and larger than the constants that it is computed from, stays computed."""

_BATCHES = (1, 2, 3, 5)

_LARGE = 64

_GATHERS = frozenset({"embedding", "gather", "index", "index_select"})
"""Operators that read their first argument where the others say."""

_LINEAR = frozenset({
    "add", "alias", "arange", "clone", "contiguous", "detach", "expand", "mul", "permute", "reshape", "slice", "sub",
    "transpose", "unsqueeze", "view",
})
"""Operators through which a batch index goes so that, if it makes a difference, it makes one at two entries."""


def run(work: Rewriting) -> int:
    """Fold; returns the number of values that became constants."""
    refused: set[Node] = set()
    known: dict[str, Node] = {}
    folded = 0
    while True:
        found = _frontier(work, refused)
        if not found:
            return folded
        for node in found:
            if _fold(work, node, _region(node), known):
                folded += 1
            else:
                refused.add(node)
        _drop_dead(work)


def _frontier(work: Rewriting, refused: set[Node]) -> list[Node]:
    """Values that depend on constants and sizes alone and are read by something else."""
    independent: dict[Node, None] = {}
    for node in work.module.graph.nodes:
        if node not in refused and (is_constant(node) or _is_size(node) or _is_independent(node, independent)):
            independent[node] = None
    found = []
    for node in independent:
        read = any(user not in independent for user in node.users)
        if node.op == "call_function" and is_tensor(node) and read and not _is_folded(node):
            found.append(node)
    return found


def _is_size(node: Node) -> bool:
    return node.op == "call_function" and node.target is aten.sym_size.int


def _is_independent(node: Node, independent: Mapping[Node, None]) -> bool:
    return (node.op == "call_function" and is_pure(node) and not _is_size(node)
            and all(source in independent for source in node.all_input_nodes))


def _is_folded(node: Node) -> bool:
    return node.target is aten.expand.default and is_constant(node.args[0])


def _region(node: Node) -> list[Node]:
    """`node` and all that it is computed from, in graph order; a size is computed from nothing."""
    region, stack = {node}, [node]
    while stack:
        current = stack.pop()
        for source in [] if _is_size(current) else current.all_input_nodes:
            if source not in region:
                region.add(source)
                stack.append(source)
    return sorted(region)


def _fold(work: Rewriting, node: Node, region: Sequence[Node], known: dict[str, Node]) -> bool:
    shape = node.meta["val"].shape
    varies = any(_is_size(member) for member in region)
    batches = _batches(region) if varies else _BATCHES[:1]
    symbolic = [index for index, size in enumerate(shape) if isinstance(size, torch.SymInt)]
    stored = sum(value.numel() * value.element_size() for value in
                 (ir.tensor_of(work.module, member) for member in region if is_constant(member)))
    entry = math.prod(size for size in shape if isinstance(size, int)) * node.meta["val"].element_size()
    if entry > max(LIMIT_BYTES, stored) or not _is_linear(region):
        return False
    entries = [_one_entry(_evaluate(work, node, region, batch), symbolic) for batch in batches]
    first = entries[0]
    if first is None or any(entry is None or not _identical(first, entry) for entry in entries[1:]):
        return False
    originals = [member for member in region if member.op == "call_function" and not _is_size(member)]
    new, builder = _constant(work, node, first, originals, known)
    if symbolic:
        sizes = [builder.create_arg(size) for size in shape]
        new = builder.append(aten.expand.default, (new, sizes), {})
    comparison = None
    if work.witness is not None:
        computed = [member for member in region if member.op == "call_function"]
        work.witness.run([*computed, *([new.args[0]] if symbolic else [new]), *builder.created])  # type: ignore[list-item]
        comparison = work.witness.compare(Class.EXACT, 0.0, node, new)
        if comparison.counterexample is not None:
            work.discard(builder)
            return False
    reason = (f"the same for every batch entry, tried at batches {', '.join(map(str, batches))}" if varies
              else "depends on constants alone")
    work.firings.append(Firing(NAME, "exact", node.name, scope_of(originals), reason, comparison))
    node.replace_all_uses_with(new, propagate_meta=False)
    return True


def _batches(region: Sequence[Node]) -> tuple[int, ...]:
    values = [member.meta["val"] for member in region if is_tensor(member)]
    bytes_at_large = sum(math.prod(_size_at(size, _LARGE) for size in value.shape) * value.element_size()
                         for value in values)
    return (*_BATCHES, _LARGE) if bytes_at_large <= LIMIT_BYTES else _BATCHES


def _is_linear(region: Sequence[Node]) -> bool:
    """Whether no batch index or size is compared, divided, rounded or the like.

    That may make a difference first at a batch that was not tried.
    """
    varying: set[Node] = set()
    for member in region:
        name = ir.operator_name(member.target)
        direct = (*member.args, *member.kwargs.values())
        # A size inside a list is a result's shape.
        read = [source for source in member.all_input_nodes if is_tensor(source) or source in direct]
        if name in _GATHERS:
            read = read[:1]
        if _is_size(member):
            varying.add(member)
        elif not varying.isdisjoint(read):
            varying.add(member)
            if name not in _LINEAR:
                return False
    return True


def _evaluate(work: Rewriting, node: Node, region: Sequence[Node], batch: int) -> torch.Tensor:
    values: dict[Node, Any] = {}
    for member in region:
        if member.op == "get_attr":
            values[member] = ir.tensor_of(work.module, member)
        elif _is_size(member):
            values[member] = _size_at(member.meta["val"], batch)
        else:
            args, kwargs = map_arg((member.args, member.kwargs), values.__getitem__)
            with torch.no_grad():
                values[member] = member.target(*args, **kwargs)  # type: ignore[operator]
    result: torch.Tensor = values[node]
    return result


def _size_at(size: Any, batch: int) -> int:
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, batch)))


def _one_entry(value: torch.Tensor, dimensions: Sequence[int]) -> torch.Tensor | None:
    """`value` with size 1 in `dimensions`, or None if it varies along them."""
    entry = value
    for index in dimensions:
        entry = entry.narrow(index, 0, 1)
    return entry.contiguous() if _identical(entry.expand_as(value), value) else None


def _identical(first: torch.Tensor, second: torch.Tensor) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bits(first) == bits(second)


def _constant(
    work: Rewriting, node: Node, value: torch.Tensor, originals: Sequence[Node], known: dict[str, Node]
) -> tuple[Node, Builder]:
    builder = Builder(work.module, originals, NAME, node)
    digest = sha256(bits(value)).hexdigest()
    key = f"{value.dtype} {tuple(value.shape)} {digest}"
    if key not in known or known[key]._erased:
        path = ir.scope(node)
        hint = f"{path}.{node.name}" if path else node.name
        known[key] = ir.constant(work.module, value, hint, next(iter(work.module.graph.nodes)))
        ir.adopt(known[key], originals, NAME)
    return known[key], builder


def _drop_dead(work: Rewriting) -> None:
    for node in reversed(list(work.module.graph.nodes)):
        if not node.users and node.op in ("call_function", "get_attr") and not node.is_impure():
            work.remove(node)
