"""What a run would do, and why, without running anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgewright.engine.schedule import GUARD, Schedule
from edgewright.engine.workspace import Workspace, instance


@dataclass(frozen=True, slots=True)
class Pending:
    """A stage instance that is not up to date; `reason` names what changed, in the user's words."""

    stage: str
    key: str | None
    reason: str

    @property
    def name(self) -> str:
        """`aq@KEY`."""
        return instance(self.stage, self.key)


def preview(workspace: Workspace) -> list[Pending]:
    """The stage instances that a run would run or restore, in an order in which it could.

    What only reads from such an instance is listed too; it is left alone if the bytes come out equal.
    The plan must be current. An empty or missing dvc.lock counts as nothing built.
    """
    schedule = Schedule(workspace)
    try:
        return list(_pending(schedule))
    finally:
        schedule.close()


def _pending(schedule: Schedule) -> Iterator[Pending]:
    seen: set[str] = set()
    for name in schedule.names:
        if name == GUARD:
            continue
        reasons = schedule.changes(name)
        above = [up for up in schedule.upstream(name) if up in seen]
        if not reasons and not above:
            continue
        seen.add(name)
        stage, _, key = name.partition("@")
        yield Pending(stage, key or None, ", ".join(reasons) or f"after {above[0]}")
