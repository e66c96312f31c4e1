"""The file of a cost table: what each module of a program costs on a target at each precision."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgewright.errors import ConfigError, nearest
from edgewright.files import write_json

SCHEMA = 1
UNITS = ("cycles", "ms")
_KEYS = ("schema", "target", "unit", "source", "host", "precisions", "conversions")


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs of the uniform builds of one program, kernel by kernel.

    Attributes:
        target: the target that was built for.
        unit: `cycles` of the compiler's estimate, or `ms` measured.
        source: toolchain and version.
        host: the machine that measured; None for an estimate, which no machine decides.
        precisions: for each precision in short the cost of each module scope; "" holds what belongs to none.
        conversions: for each pair of precisions, `w8a16 w8a8` in the order of the alphabet, the cost of an element
            that passes from a module of one to a module of the other.
    """

    target: str
    unit: str
    source: str
    host: Mapping[str, Any] | None
    precisions: Mapping[str, Mapping[str, float]]
    conversions: Mapping[str, float] = field(default_factory=dict)

    def conversion(self, one: str, other: str) -> float:
        """The cost of an element between two precisions; 0 where the table has none."""
        return self.conversions.get(pair(one, other), 0.0)

    def check(self, target: str, candidates: Sequence[str], where: str) -> None:
        """Refuse a table of another target, or one that lacks a candidate.

        Raises:
            ConfigError: `where` and the way out are named.
        """
        again = "with cost: bytes in its place `edgewright costs VARIANT` makes one that fits"
        if self.target != target:
            raise ConfigError(f"{where}: the table is of target {self.target}, not of {target}; {again}")
        for name in candidates:
            if name not in self.precisions:
                raise ConfigError(f"{where}: the table has no costs of '{name}'{nearest(name, self.precisions)}; it "
                                  f"has {', '.join(self.precisions)}; {again}")

    def write(self, path: Path) -> None:
        """Write it as JSON with sorted keys: the same table gives the same bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        precisions = {name: dict(sorted(costs.items())) for name, costs in sorted(self.precisions.items())}
        conversions = dict(sorted(self.conversions.items()))
        write_json(path, {"schema": SCHEMA, **asdict(self), "precisions": precisions, "conversions": conversions})


def pair(one: str, other: str) -> str:
    """The key of two precisions in `conversions`."""
    return " ".join(sorted((one, other)))


def read(path: Path, where: str) -> CostTable:
    """Read a table.

    Raises:
        ConfigError: there is no such file, or it is not a cost table; file and key are named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: {path.name} is no readable cost table: {error}") from error
    missing = [key for key in _KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        raise ConfigError(f"{where}: {path.name} is no cost table: no key '{missing[0]}'")
    if content["schema"] != SCHEMA or content["unit"] not in UNITS:
        raise ConfigError(f"{where}: {path.name}: schema {content['schema']} in {content['unit']}; this version reads "
                          f"schema {SCHEMA} in {' or '.join(UNITS)}")
    groups = {f"precisions.{name}": costs for name, costs in content["precisions"].items()}
    for name, costs in {**groups, "conversions": content["conversions"]}.items():
        for scope, cost in costs.items():
            if type(cost) not in (int, float) or not math.isfinite(cost) or cost < 0:
                raise ConfigError(f"{where}: {path.name}: {name}: '{scope}': {cost} is not a cost of 0 or more")
    return CostTable(**{key: value for key, value in content.items() if key != "schema"})
