"""Apply rules to a graph until nothing changes."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256

from torch.fx import GraphModule, Node

from edgewright.errors import first_line
from edgewright.go.build import Builder, build
from edgewright.go.firing import Firing, Refusal, scope_of
from edgewright.go.guards import refuse_match, refuse_replacement
from edgewright.go.match import Match
from edgewright.go.matcher import find
from edgewright.go.pattern import targets_of, trace
from edgewright.go.rule import NotBuildable, Rule, RuleError
from edgewright.go.witness import Witness
from edgewright.progress import Progress, silent

_FIRINGS_PER_NODE = 4
_FIRINGS_AT_LEAST = 50
_LATEST = 20


@dataclass(slots=True)
class Rewriting:
    """A graph under rewriting.

    Attributes:
        module: the unlifted Program; edited in place.
        witness: values on samples, or None to rewrite without.
        firings: what was done, in order.
        refusals: what was left alone, by rule and node.
        guarded: whether `when` is asked; the harness turns it off to see that a guard is needed.
    """

    module: GraphModule
    witness: Witness | None = None
    firings: list[Firing] = field(default_factory=list)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    guarded: bool = True

    def replace(self, old: Node, new: Node, dead: Iterable[Node]) -> None:
        """Let the users of `old` read `new`, and remove those of `dead` that nobody reads."""
        old.replace_all_uses_with(new, propagate_meta=False)
        for node in sorted(dead, reverse=True):
            if not node.users:
                self.remove(node)

    def remove(self, node: Node) -> None:
        """Remove one node that nobody reads."""
        self.module.graph.erase_node(node)
        if self.witness is not None:
            self.witness.forget([node])

    def discard(self, builder: Builder) -> None:
        """Remove what a replacement that is not taken has created."""
        if self.witness is not None:
            self.witness.forget(builder.created)
        builder.discard()


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """`rules` in the order in which they are applied: by name, each behind those that it names in `after`.

    Raises:
        RuleError: the declared order has a cycle; the message names it.
    """
    by_name = {rule.name: rule for rule in sorted(rules, key=lambda rule: rule.name)}
    sorter = TopologicalSorter({name: sorted(set(rule.after) & by_name.keys()) for name, rule in by_name.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise RuleError(f"rules must come after each other: {' -> '.join(error.args[1])}") from None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return tuple(by_name[name] for name in order)


def rewrite(work: Rewriting, rules: Sequence[Rule], reasons: Mapping[str, str], progress: Progress = silent) -> int:
    """Apply `rules` to a fixed point.

    Args:
        work: the graph; edited in place.
        rules: see `ordered`.
        reasons: per rule why the target gains; rules without one do not run.
        progress: called per rule.

    Returns:
        the number of firings.

    Raises:
        RuleError: rules undo each other; the message names them.
    """
    active = [rule for rule in rules if rule.name in reasons]
    before = len(work.firings)
    limit = before + _FIRINGS_PER_NODE * len(work.module.graph.nodes) + _FIRINGS_AT_LEAST
    seen = {_signature(work.module): before}
    while True:
        start = len(work.firings)
        for index, rule in enumerate(active):
            progress(index, len(active), rule.name)
            _apply(work, rule, reasons[rule.name], limit)
        if all(firing.rolled_back for firing in work.firings[start:]):
            break
        signature = _signature(work.module)
        if signature in seen:
            loop = sorted({firing.rule for firing in work.firings[seen[signature]:]})
            raise RuleError(f"rules undo each other: {', '.join(loop)}")
        seen[signature] = len(work.firings)
    progress(len(active), len(active), "")
    return len(work.firings) - before


def _apply(work: Rewriting, rule: Rule, reason: str, limit: int) -> None:
    graph = work.module.graph
    patterns = [(pattern, rule.constants(pattern.function)) for pattern in map(trace, rule.patterns())]
    roots = {target for pattern, _ in patterns for target in targets_of(pattern.root)}
    queue = deque(sorted(node for target in roots for node in graph.find_nodes(op="call_function", target=target)))
    while queue:
        node = queue.popleft()
        if node._erased:
            continue
        for pattern, constants in patterns:
            match = find(pattern, work.module, node, constants)
            if match is None:
                continue
            new = _fire(work, rule, match, reason)
            if new is not None:
                # A chain of firings along the new nodes ends here instead of taking one sweep a link.
                queue.extend(sorted(near for near in (new, *new.users) if near.target in roots))
                break
        if len(work.firings) > limit:
            latest = sorted({firing.rule for firing in work.firings[-_LATEST:]})
            raise RuleError(f"rules fire without end: {', '.join(latest)}; the last at {node.name}")


def _fire(work: Rewriting, rule: Rule, match: Match, reason: str) -> Node | None:
    """What stands in the place of `match` if the rule fired there."""
    place = (rule.name, match.root.name)
    previous = work.refusals.pop(place, None)
    if previous is not None and previous.guard.startswith("witness"):
        result: Node | str = previous.guard
    else:
        result = _attempt(work, rule, match, reason)
    if isinstance(result, str):
        work.refusals[place] = Refusal(*place, scope_of(match.nodes), result)
        return None
    return result


def _attempt(work: Rewriting, rule: Rule, match: Match, reason: str) -> Node | str:
    """What stands in the place of `match`, or the reason why it was left alone."""
    guard = refuse_match(match, rule.shared) or (rule.when(match) if work.guarded else None)
    if guard is not None:
        return guard
    try:
        builder, new = build(rule, match)
    except NotBuildable as error:
        return str(error)
    guard = refuse_replacement(work.module, match.root, new)
    if guard is not None:
        work.discard(builder)
        return guard
    comparison = None
    if work.witness is not None:
        try:
            work.witness.run((*match.nodes, *builder.created))
        except Exception as error:
            work.discard(builder)
            return f"witness: does not run: {first_line(error)}"
        comparison = work.witness.compare(rule.kind, rule.ulps, match.root, new)
    wrong = None if comparison is None else comparison.counterexample
    work.firings.append(Firing(rule.name, str(rule.kind), match.root.name, scope_of(match.nodes), reason, comparison,
                               wrong is not None))
    if wrong is not None:
        work.discard(builder)
        return f"witness: {wrong}"
    work.replace(match.root, new, match.nodes)
    for node in reversed(builder.created):
        if not node.users:
            work.remove(node)
    return new


def _signature(module: GraphModule) -> str:
    """Digest of the structure of a graph; independent of node names."""
    numbers = {node: index for index, node in enumerate(module.graph.nodes)}
    lines = (f"{node.op} {node.target} {_numbered(node.args, numbers)} {_numbered(node.kwargs, numbers)}"
             if node.op != "get_attr" else "get_attr" for node in module.graph.nodes)
    return sha256("\n".join(lines).encode()).hexdigest()


def _numbered(value: object, numbers: Mapping[Node, int]) -> str:
    if isinstance(value, Node):
        return f"%{numbers[value]}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_numbered(item, numbers) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_numbered(item, numbers)}' for key, item in value.items())}}}"
    return repr(value)
