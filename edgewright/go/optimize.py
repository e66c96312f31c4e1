"""Optimize a Program for a target."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter

from edgewright import ir
from edgewright.errors import InputError
from edgewright.go import catalogue
from edgewright.go.engine import Rewriting, ordered, rewrite
from edgewright.go.firing import Firing, Refusal
from edgewright.go.passes import drop_asserts, fold_constants, merge_duplicates
from edgewright.go.rule import Class, Rule
from edgewright.go.target import Target
from edgewright.go.witness import Comparison, Witness, compare
from edgewright.progress import Progress, silent

_MAX_ROUNDS = 100
_PROGRAM_ULPS = 2.0**17
"""Float error admitted of a whole program: more than 1.6 % of the largest output is a bug."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """An optimized Program and how it came about.

    Attributes:
        program: canonical; the same inputs, outputs and dynamic shapes as the one given.
        target: name of the target.
        firings: what was done, in order; rolled-back firings included.
        refused: matches that were left alone.
        operators_before, operators_after: number of operators by ATen name.
        output: the final outputs compared with those of the program given, on the samples.
    """

    program: ExportedProgram
    target: str
    firings: tuple[Firing, ...]
    refused: tuple[Refusal, ...]
    operators_before: dict[str, int]
    operators_after: dict[str, int]
    output: Comparison

    def report(self) -> dict[str, Any]:
        """Content of `firings.json`."""
        return {
            "schema": 1,
            "target": self.target,
            "firings": [firing.row() for firing in self.firings],
            "refused": [refusal.row() for refusal in self.refused],
            "operators_before": self.operators_before,
            "operators_after": self.operators_after,
            "output": {"samples": self.output.samples, "max_abs": self.output.max_abs},
        }


def optimize(
    program: ExportedProgram,
    target: Target,
    samples: tuple[torch.Tensor, ...],
    *,
    progress: Progress = silent,
    extra_rules: Sequence[Rule] = (),
) -> Optimized:
    """Rewrite `program` with the rules that `target` gains from.

    Args:
        program: a Program.
        target: its capability map.
        samples: one tensor per input of the program, [N, ...]: N rows of real data for the witnesses; a few are enough,
            all values of the program on them are held in memory.
        progress: called per rule.
        extra_rules: rules beside those that ship, see `catalogue.user_rules`.

    Returns:
        the optimized Program with its firings.

    Raises:
        InputError: `samples` do not fit the program's inputs.
        RuleError: rules undo each other or break their contract.
        RuntimeError: the rewritten program does not compute what the given one does.
    """
    module = ir.unlift(program)
    before = operators(module)
    work = Rewriting(module)
    drop_asserts.run(work)
    batches = _batches(module, samples)
    work.witness = Witness(module, batches)
    results = work.witness.results
    rules = ordered((*catalogue.rules(), *extra_rules))
    reasons = {rule.name: reason for rule in rules if (reason := rule.targets(target)) is not None}
    for _ in range(_MAX_ROUNDS):
        if not merge_duplicates.run(work) + fold_constants.run(work) + rewrite(work, rules, reasons, progress):
            break
    quiet = {rule.name for rule in rules if rule.quiet}
    refused = tuple(work.refusals[key] for key in sorted(work.refusals) if key[0] not in quiet)
    work.witness = None
    output = _compare_outputs(module, batches, results)
    if output.counterexample is not None:
        raise RuntimeError(f"the optimized program differs from the one given {output.counterexample}; "
                           f"{_worst(work.firings)}")
    optimized = ir.relift(module, program)
    after = operators(ir.unlift(optimized))
    return Optimized(optimized, target.name, tuple(work.firings), refused, before, after, output)


def operators(module: GraphModule) -> dict[str, int]:
    """Number of operators of a graph by ATen name."""
    found = Counter(ir.operator_name(node.target) for node in module.graph.nodes if node.op == "call_function")
    return dict(sorted(found.items()))


def _batches(module: GraphModule, samples: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor, ...]]:
    """`samples` in the batches that the program takes: all at once where its batch is dynamic."""
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(inputs) != len(samples):
        raise InputError(f"the program has {len(inputs)} inputs, the samples have {len(samples)}")
    for node, sample in zip(inputs, samples, strict=True):
        value = node.meta["val"]
        fits = value.dim() == sample.dim() and all(
            not isinstance(wanted, int) or wanted == given
            for wanted, given in zip(value.shape[1:], sample.shape[1:], strict=False))
        if not fits or value.dtype != sample.dtype:
            raise InputError(f"input '{node.name}' is {tuple(value.shape)} {value.dtype}, its samples are "
                             f"{tuple(sample.shape)} {sample.dtype}")
    size = inputs[0].meta["val"].shape[0]
    if not isinstance(size, int):
        return [samples]
    count = len(samples[0]) // size
    if not count:
        raise InputError(f"the program takes batches of {size}, there are {len(samples[0])} samples")
    return [tuple(sample[index * size:(index + 1) * size] for sample in samples) for index in range(count)]


def _compare_outputs(
    module: GraphModule, batches: list[tuple[torch.Tensor, ...]], references: list[tuple[torch.Tensor, ...]]
) -> Comparison:
    module.recompile()
    worst = Comparison(sum(len(batch[0]) for batch in batches), 0.0, 0.0, None)
    for batch, reference in zip(batches, references, strict=True):
        with torch.no_grad():
            found = Interpreter(module).run(*batch, enable_io_processing=False)
        for was, now in zip(reference, found if isinstance(found, tuple | list) else (found,), strict=True):
            worst = worst.merge(compare(Class.REAL_EXACT, _PROGRAM_ULPS, was, now))
    return worst


def _worst(firings: Sequence[Firing]) -> str:
    """The firing that used up most of its bound, for a person who looks for the rule at fault."""
    ratios = [(firing.witness.max_abs / firing.witness.bound, firing) for firing in firings
              if not firing.rolled_back and firing.witness is not None and firing.witness.bound]
    if not ratios:
        return "no firing shows a difference"
    ratio, firing = max(ratios, key=lambda pair: pair[0])
    return (f"the largest witness is that of '{firing.rule}' at {firing.node} in module '{firing.scope}', "
            f"{ratio:.2g} of its bound")
