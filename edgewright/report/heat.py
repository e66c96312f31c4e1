"""The heat strip: how far every module drifts after each stage, over the tree of modules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewright.report.types import DriftRecord, HeatModuleRecord, HeatStageRecord, Stage

Json = Mapping[str, Any]
ROOT = "(root)"
"""What the root module is called."""

# Width in pixels of a strip on a phone, and of a letter of its tree.
_NARROW, _LETTER = 230, 5.8
_NUMBERS = re.compile(r"(\d+)")


def stages(
    metrics: Mapping[Stage, Json | None], layers: Json | None, sensitivity: Json | None
) -> tuple[HeatStageRecord, ...]:
    """Drift after each stage of a variant but the float model; without those that nothing was measured of.

    Args:
        metrics: `metrics.json` of each stage in order, None where there is none.
        layers: aq's `layers.json`.
        sensitivity: gq's `sensitivity.json`.
    """
    modules = {
        "aq": _modules(layers, "module", "class", "output_snr_db", "output_mse"),
        "gq": _modules(sensitivity, "scope", "operator", "snr_db", "mse"),
    }
    records = (
        HeatStageRecord(stage=stage, output=_output(found), modules=modules.get(stage, ()))
        for stage, found in metrics.items()
        if stage != "float"
    )
    return tuple(record for record in records if record.output or record.modules)


@dataclass(frozen=True, slots=True)
class Group:
    """A module of the tree above the strip: its name below its parent, its columns (from 1) and its row (from 1)."""

    name: str
    path: str
    level: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip of a variant.

    Attributes:
        columns: paths of the modules, in the order of the program as far as the tree allows.
        groups: the tree above the columns, its levels from 1 to `levels`.
        rows: the stages; each with the module of every column, None where it has none.
    """

    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    levels: int
    rows: tuple[tuple[HeatStageRecord, tuple[HeatModuleRecord | None, ...]], ...]


def strip(records: Sequence[HeatStageRecord]) -> Strip | None:
    """The strip of a variant; None where no stage shows modules."""
    orders = [[module.scope for module in record.modules] for record in records]
    # The last stage that shows modules has the Program's order; what only others have comes after its neighbours.
    known = list(dict.fromkeys(scope for order in reversed(orders) for scope in order))
    if not known:
        return None
    tree = _Node("", "")
    for scope in known:
        tree.add(scope)
    columns = tuple(tree.leaves())
    groups = tuple(_groups(tree, {path: index for index, path in enumerate(columns, 1)}))
    by_scope = [{module.scope: module for module in record.modules} for record in records]
    rows = ((record, tuple(map(found.get, columns))) for record, found in zip(records, by_scope, strict=True))
    return Strip(columns, groups, max((group.level for group in groups), default=0), tuple(rows))


def is_wide(group: Group, view: Strip) -> bool:
    """Whether the name of a group fits above its columns where a card is narrow."""
    return (group.end - group.start) / len(view.columns) * _NARROW >= len(group.name) * _LETTER


def worst(modules: Sequence[HeatModuleRecord | None]) -> HeatModuleRecord | None:
    """The module with the lowest SNR; None where nothing differs."""
    known = [module for module in modules if module is not None and module.snr_db is not None]
    return min(known, key=lambda module: module.snr_db or 0.0, default=None)


def name(scope: str) -> str:
    """A scope as people read it."""
    return scope or ROOT


@dataclass(slots=True)
class _Node:
    name: str
    path: str
    is_column: bool = False
    children: dict[str, "_Node"] = field(default_factory=dict)

    def add(self, scope: str) -> None:
        node = self
        for part in scope.split(".") if scope else ():
            path = f"{node.path}.{part}" if node.path else part
            node = node.children.setdefault(part, _Node(part, path))
        node.is_column = True

    def leaves(self) -> Iterator[str]:
        if self.is_column:
            yield self.path
        for child in self.children.values():
            yield from child.leaves()


def _groups(tree: _Node, places: Mapping[str, int], level: int = 1) -> Iterator[Group]:
    """The modules that contain others, and those within; a chain of single children is one."""
    for child in tree.children.values():
        node, label = child, child.name
        while len(node.children) == 1 and not node.is_column:
            (node,) = node.children.values()
            label = f"{label}.{node.name}"
        paths = list(node.leaves())
        yield Group(label, node.path, level, places[paths[0]], places[paths[-1]] + 1)
        if node.children:
            yield from _groups(node, places, level + 1)


def _modules(raw: Json | None, scope: str, operator: str, snr_db: str, mse: str) -> tuple[HeatModuleRecord, ...]:
    items = list((raw or {}).get("modules") or ())
    items.sort(key=lambda item: (item.get("index", 0), _natural(item[scope])))
    return tuple(
        HeatModuleRecord(
            scope=item[scope],
            operator=item.get(operator),
            snr_db=item.get(snr_db),
            mse=item.get(mse),
            cosine=item.get("cosine"),
        )
        for item in items
    )


def _natural(scope: str) -> list[tuple[int, str]]:
    """Sorts `layers.2` ahead of `layers.10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(scope)]


def _output(metrics: Json | None) -> DriftRecord | None:
    drift = (metrics or {}).get("drift")
    if not drift:
        return None
    return DriftRecord(
        snr_db=drift.get("snr_db"), logit_mse=drift.get("logit_mse"), agreement=drift.get("agreement")
    )
