"""The harness: earn a rule's class by test on samples derived from its examples."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Interpreter

from edgewright import ir
from edgewright.go import specials
from edgewright.go.engine import Rewriting, rewrite
from edgewright.go.passes import drop_asserts
from edgewright.go.rule import Example, Negative, Rule, RuleError
from edgewright.go.witness import Comparison, compare

_BATCHES = (1, 2, 3)
_LARGE_BATCH_ELEMENTS = 2**16
"""Elements of the longest input of the one large batch, so that a fault in one value of a thousand shows."""

_LARGE_BATCH_ROWS = 4097
_TRIAL_ROWS = 64


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the harness has shown of a rule.

    Attributes:
        rule: its name.
        kind: its class.
        examples: real spellings on which it fired.
        samples: input batches on which the program was equal before and after.
        ulps: largest error in float32, in units in the last place of the largest output; 0 for the bitwise classes.
        ulps_float64: the same for the program in float64, None where it is not checked.
        negatives: the reasons why it left each counterexample alone.
    """

    rule: str
    kind: str
    examples: int
    samples: int
    ulps: float
    ulps_float64: float | None
    negatives: tuple[str, ...]


def certify(rule: Rule) -> Certificate:
    """Test `rule` against its class on all its examples and negatives.

    Raises:
        RuleError: an example does not match; results differ by more than the class admits, with the counterexample; a
            negative is rewritten; a guard of the rule that refuses a negative could go without anything failing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        examples, negatives = tuple(rule.examples()), tuple(rule.negatives())
    if not examples:
        raise RuleError(f"rule '{rule.name}': no examples; name at least one real spelling")
    samples, worst, worst_float64 = 0, 0.0, 0.0 if rule.in_float64 and not rule.kind.bitwise else None
    for number, example in enumerate(examples):
        count, ulps = _check(rule, example, number)
        samples, worst = samples + count, max(worst, ulps)
        if worst_float64 is not None:
            doubled = Example(deepcopy(example.module).double(), tuple(map(_double, example.inputs)), example.dynamic)
            worst_float64 = max(worst_float64, _check(rule, doubled, number)[1])
    refused = tuple(_check_negative(rule, negative, number) for number, negative in enumerate(negatives))
    return Certificate(rule.name, str(rule.kind), len(examples), samples, worst, worst_float64, refused)


def _check(rule: Rule, example: Example, number: int) -> tuple[int, float]:
    """Batches run, and the largest error in units in the last place."""
    program = _export(example)
    reference, work = ir.unlift(program), _rewritten(rule, ir.unlift(program))
    where = f"rule '{rule.name}', example {number}"
    if not work.firings:
        refused = next(iter(work.refusals.values()), None)
        raise RuleError(f"{where} ({type(example.module).__name__}): "
                        + (f"refused: {refused.guard}" if refused else "the pattern does not occur in its export"))
    count, worst = 0, 0.0
    for label, inputs in _samples(rule, example):
        found = _difference(rule, _run(reference, inputs), _run(work.module, inputs))
        if found.counterexample is not None:
            raise RuleError(f"{where}: not {rule.kind} on {label} (batch {len(inputs[0])}): {found.counterexample}")
        count, worst = count + 1, max(worst, found.max_abs / found.bound * rule.ulps if found.bound else 0.0)
    ir.verify(_relift(work.module, program))
    return count, worst


def _check_negative(rule: Rule, negative: Negative, number: int) -> str:
    """The reason that refused it; empty if nothing matches."""
    program = _export(Example(negative.module, negative.inputs))
    work = _rewritten(rule, ir.unlift(program))
    where = f"rule '{rule.name}', negative {number} ({type(negative.module).__name__})"
    if work.firings:
        raise RuleError(f"{where}: fires")
    guards = [refusal.guard for refusal in work.refusals.values()]
    guard = next((found for found in guards if negative.refused in found), None)
    if guard is None and (negative.refused or guards):
        raise RuleError(f"{where}: refused by {guards or 'nothing'} instead of '{negative.refused}'")
    if guard is not None and not negative.harmless:
        _check_guard_is_needed(rule, negative, program, guard, where)
    return guard or ""


def _check_guard_is_needed(rule: Rule, negative: Negative, program: ExportedProgram, guard: str, where: str) -> None:
    forced = _rewritten(rule, ir.unlift(program), guarded=False)
    if not forced.firings:
        if guard in (refusal.guard for refusal in forced.refusals.values()):
            return  # the engine's own guard
        raise RuleError(f"{where}: the engine refuses it without the guard; mark it harmless or drop the guard")
    reference = ir.unlift(program)
    for _, inputs in _samples(rule, Example(negative.module, negative.inputs)):
        expected = _run(reference, inputs)
        try:
            found = _run(forced.module, inputs)
        except Exception:
            return  # what it builds without the guard does not run
        if _difference(rule, expected, found).counterexample is not None:
            return
    raise RuleError(f"{where}: right without the guard; mark it harmless or drop the guard")


def _rewritten(rule: Rule, module: GraphModule, guarded: bool = True) -> Rewriting:
    work = Rewriting(module, guarded=guarded)
    drop_asserts.run(work)
    work.firings.clear()
    rewrite(work, (rule,), {rule.name: "certificate"})
    return work


def _relift(module: GraphModule, program: ExportedProgram) -> ExportedProgram:
    for node in module.graph.nodes:
        if node.op == "call_function" and not node.meta.get("nn_module_stack"):
            raise RuleError(f"node {node.name} has no module scope")
    return ir.relift(module, program)


def _export(example: Example) -> ExportedProgram:
    ir.register()
    dynamic = ({0: Dim("batch", min=1)},) * len(example.inputs) if example.dynamic else None
    inputs = tuple(value if len(value) > 1 or not example.dynamic else value.repeat(2, *[1] * (value.dim() - 1))
                   for value in example.inputs)
    with torch.no_grad():
        program = torch.export.export(example.module.eval(), inputs, dynamic_shapes=dynamic)
    for node in program.graph.nodes:
        if node.op == "call_function":
            node.meta["custom"] = {"from": [node.name], "rules": []}
    return ir.canonicalize(program)


def _samples(rule: Rule, example: Example) -> Iterator[tuple[str, tuple[torch.Tensor, ...]]]:
    """Labelled inputs: the example's own, normal values of several scales, then each kind of special value.

    Where the batch is dynamic it is 1, 2, 3 and a large one, of some thousand rows where they are short, else the
    example's.
    """
    rng = np.random.default_rng(0)
    yield "the example's own inputs", example.inputs
    row = max(value[0].numel() for value in example.inputs)
    large = min(_LARGE_BATCH_ROWS, _LARGE_BATCH_ELEMENTS // max(row, 1) + 5)
    sizes = (*_BATCHES, large) if example.dynamic else (len(example.inputs[0]),)
    for batch in sizes:
        for scale in specials.SCALES:
            inputs = tuple(specials.random(value, batch, scale, rng) for value in example.inputs)
            yield f"normal values of scale {scale}", inputs
    rows = _TRIAL_ROWS if example.dynamic else sizes[0]
    for kind in rule.specials:
        planted = tuple(specials.plant(specials.random(value, rows, 1.0, rng), kind, rng) for value in example.inputs)
        yield f"{kind} values", planted


def _run(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        return tuple(Interpreter(module).run(*inputs, enable_io_processing=False))


def _difference(rule: Rule, was: tuple[torch.Tensor, ...], now: tuple[torch.Tensor, ...]) -> Comparison:
    worst = Comparison(len(was[0]), 0.0, 0.0, None)
    for before, after in zip(was, now, strict=True):
        worst = worst.merge(compare(rule.kind, rule.ulps, before, after))
    return worst


def _double(value: torch.Tensor) -> torch.Tensor:
    return value.double() if value.is_floating_point() else value
