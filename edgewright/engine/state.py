"""What happened to a stage instance, and the events that tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """Completed: our stage code ran. Restored: DVC took it from its cache. Cached: unchanged, nothing started.

    Failed: it ended with an error. Skipped: something that it needs failed.
    """

    COMPLETED = "Completed"
    RESTORED = "Restored"
    CACHED = "Cached"
    FAILED = "Failed"
    SKIPPED = "Skipped"

    @property
    def is_done(self) -> bool:
        """Whether the artifact is there and right."""
        return self in (State.COMPLETED, State.RESTORED, State.CACHED)


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one stage instance.

    Attributes:
        name: `aq@KEY`.
        state: what happened.
        seconds: wall time, process start included.
        message: why it failed or was skipped, else empty.
        exit_code: 0, or what design.md's table of exit codes says for the failure.
    """

    name: str
    state: State
    seconds: float = 0.0
    message: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth showing while a schedule runs.

    Attributes:
        kind: `notice` (a new plan, a recovery, a wait), `started` (our stage code began), `progress`, `finished`.
        name: the stage instance; empty for a notice.
        message: the line to show; for `finished` that of the result.
        state: of `finished`.
        seconds: of `finished`, wall time.
        done: instances that are finished.
        total: instances of the schedule.
    """

    kind: Literal["notice", "started", "progress", "finished"]
    name: str = ""
    message: str = ""
    state: State | None = None
    seconds: float = 0.0
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a schedule by instance name, in the order in which they finished."""

    results: Mapping[str, Result] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Result, ...]:
        """What failed; what was skipped because of it is not counted."""
        return tuple(result for result in self.results.values() if result.state is State.FAILED)

    @property
    def is_cached(self) -> bool:
        """Whether everything was up to date before."""
        return all(result.state is State.CACHED for result in self.results.values())

    @property
    def exit_code(self) -> int:
        """0, or the smallest code of a failure: a bug of ours is not hidden behind a mistake of the user."""
        return min((result.exit_code for result in self.failed), default=0)
