"""Witnesses: every firing is run on samples against what it replaced."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

from edgewright.go.rule import Class


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results compared.

    Attributes:
        samples: rows of the first input that were run.
        max_abs: largest absolute difference of finite values.
        bound: the largest that the rule's class admits; 0 means equal bits.
        counterexample: where and how the bound is missed, or None.
    """

    samples: int
    max_abs: float
    bound: float
    counterexample: str | None

    def merge(self, other: "Comparison") -> "Comparison":
        """The worse of two comparisons on the same samples."""
        return Comparison(self.samples, max(self.max_abs, other.max_abs), max(self.bound, other.bound),
                          self.counterexample or other.counterexample)


class Witness:
    """Values of all nodes of a graph on samples, kept as the graph is rewritten.

    A value is not computed again when something ahead of it is replaced, so it may be that of the old graph, equal
    within the bounds of the firings in between: before a comparison both sides run from the same values.

    Args:
        module: an unlifted Program.
        batches: inputs of the program; each batch is run on its own.
    """

    def __init__(self, module: GraphModule, batches: Sequence[tuple[torch.Tensor, ...]]) -> None:
        self._module = module
        self._interpreters = []
        self.samples = sum(len(batch[0]) for batch in batches)
        self.results: list[tuple[torch.Tensor, ...]] = []
        for batch in batches:
            interpreter = Interpreter(module, garbage_collect_values=False)
            with torch.no_grad():
                result = interpreter.run(*batch, enable_io_processing=False)
            self.results.append(tuple(result) if isinstance(result, tuple | list) else (result,))
            self._interpreters.append(interpreter)

    def run(self, nodes: Iterable[Node]) -> None:
        """Compute nodes, in order, from the values that are known."""
        ordered = list(nodes)
        for interpreter in self._interpreters:
            for node in ordered:
                with torch.no_grad():
                    interpreter.env[node] = interpreter.run_node(node)

    def forget(self, nodes: Iterable[Node]) -> None:
        """Drop the values of nodes that are gone."""
        for node in nodes:
            for interpreter in self._interpreters:
                interpreter.env.pop(node, None)

    def values(self, node: Node) -> list[Any]:
        """The value of `node` per batch."""
        return [interpreter.env[node] for interpreter in self._interpreters]

    def compare(self, kind: Class, ulps: float, old: Node, new: Node) -> Comparison:
        """Compare a new node with the one it replaces; see `compare`."""
        worst = Comparison(self.samples, 0.0, 0.0, None)
        for was, now in zip(self.values(old), self.values(new), strict=True):
            worst = worst.merge(compare(kind, ulps, was, now))
        return worst


def compare(kind: Class, ulps: float, was: Any, now: Any) -> Comparison:
    """Compare a result, a tensor or a size, with the reference `was`.

    Bits must be equal for the bitwise classes and for types that are not floating; any NaN equals any NaN. Else NaN and
    infinities must agree and finite values differ by at most `ulps` units in the last place of the largest of them.
    """
    if not isinstance(was, torch.Tensor):
        return Comparison(1, 0.0, 0.0, None if was == now else f"{was!r} became {now!r}")
    rows = len(was) if was.dim() else 1
    if was.shape != now.shape or was.dtype != now.dtype:
        text = f"{tuple(was.shape)} {was.dtype} became {tuple(now.shape)} {now.dtype}"
        return Comparison(rows, float("inf"), 0.0, text)
    if not was.is_floating_point():
        wrong = was != now
        return Comparison(rows, float(wrong.any()), 0.0, _first(wrong, was, now))
    finite = was.isfinite() & now.isfinite()
    difference = torch.where(finite, (now.double() - was.double()).abs(), 0.0)
    max_abs = float(difference.max()) if difference.numel() else 0.0
    special = (was.isnan() != now.isnan()) | ((was != now) & ~was.isnan() & ~finite)
    if kind.bitwise:
        wrong = special | ((was != now) & finite) | ((was.signbit() != now.signbit()) & ~was.isnan())
        return Comparison(rows, max_abs, 0.0, _first(wrong, was, now))
    largest = float(torch.where(was.isfinite(), was, 0.0).abs().max()) if was.numel() else 0.0
    bound = ulps * max(torch.finfo(was.dtype).eps * largest, torch.finfo(was.dtype).tiny)
    return Comparison(rows, max_abs, bound, _first(special | (difference > bound), was, now))


def _first(wrong: torch.Tensor, was: torch.Tensor, now: torch.Tensor) -> str | None:
    if not bool(wrong.any()):
        return None
    index = tuple(wrong.nonzero()[0].tolist())
    return f"at {list(index)}: {was[index].item()!r} became {now[index].item()!r}"
