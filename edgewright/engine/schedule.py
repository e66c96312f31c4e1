"""The graph of stage instances from DVC, and the execution of one of them."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from edgewright.engine import marker, recovery
from edgewright.engine.changes import explain
from edgewright.engine.pool import Pool, WorkerError
from edgewright.engine.repository import open_repository
from edgewright.engine.state import Event, Result, State
from edgewright.engine.workspace import STAGES, Workspace, instances
from edgewright.errors import ConfigError, first_line, nearest

GUARD = "guard"
REPORT = "report"
_EXCLUSIVE = ("profile",)
_BUG = 1
_BUSY_SECONDS = 10.0
_POLL_SECONDS = 0.2


class _BusyError(Exception):
    """Another process works on the same artifacts."""


class Schedule:
    """The stage instances of some variants, in an order that can be run; safe to share among threads.

    A stage instance is Cached if DVC calls it unchanged; only for a changed one a worker process
    does what `dvc --wait-for-lock repro -s NAME` does. Workers and their stages die with this process.
    """

    def __init__(
        self,
        workspace: Workspace,
        variants: Sequence[str] | None = None,
        *,
        force: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Read the graph.

        Args:
            workspace: the workspace.
            variants: names of variants; all by default. The report belongs to all only.
            force: run the stages even if nothing changed.
            on_event: called from one thread at a time.

        Raises:
            ConfigError: a variant does not exist, DVC cannot read dvc.yaml or dvc.lock, or the workspace lies in
                a folder that git ignores.
        """
        self.workspace = workspace
        self.force = force
        self._on_event = on_event
        self._repo = open_repository(workspace.root)
        self._dvc = threading.Lock()
        self._telling = threading.Lock()
        self._pool = Pool(workspace.root)
        self._done = 0
        graph = self._graph()
        self._stages = {stage.name: stage for stage in graph}
        if not self._stages:
            raise ConfigError(f"{workspace.root}: DVC sees no stages here; it leaves out folders that git ignores")
        wanted = _wanted(workspace.plan(), variants)
        names = {name for name in self._stages if wanted is None or name in wanted}
        self._upstream = {
            stage.name: tuple(sorted(up.name for up in graph.successors(stage) if up.name in names))
            for stage in graph if stage.name in names
        }
        self.names = tuple(_sorted(self._upstream))

    def _graph(self) -> Any:
        from dvc.exceptions import DvcException

        try:
            with self._repo.lock:
                return self._repo.index.graph
        except DvcException as error:
            self._repo.close()
            raise ConfigError(f"{self.workspace.root}: DVC cannot read the stages: {first_line(error)}") from error

    def upstream(self, name: str) -> tuple[str, ...]:
        """The instances that `name` reads from."""
        return self._upstream[name]

    def exclusive(self, name: str) -> bool:
        """Whether nothing may run beside `name`, because it measures time."""
        return name.partition("@")[0] in _EXCLUSIVE

    def by_priority(self) -> tuple[str, ...]:
        """The names, that with the longest chain of instances below it first."""
        height = dict.fromkeys(self.names, 0)
        for name in reversed(self.names):
            for up in self._upstream[name]:
                height[up] = max(height[up], height[name] + 1)
        return tuple(sorted(self.names, key=lambda name: (-height[name], self.names.index(name))))

    def changes(self, name: str) -> list[str]:
        """Why DVC calls `name` changed; empty when it does not."""
        with self._dvc, self._repo.lock:
            return explain(self._stages[name])

    def execute(self, name: str) -> Result:
        """Bring one instance up to date; what it reads must be."""
        start = time.monotonic()
        try:
            if not self._is_changed(name):
                return self._finish(Result(name, State.CACHED, time.monotonic() - start))
        except _BusyError as error:
            return self._finish(Result(name, State.FAILED, time.monotonic() - start, str(error), _BUG))
        return self._finish(self._reproduce(name, start))

    def skip(self, name: str, because: Result) -> Result:
        """Record that `name` cannot run, as something that it reads did not get done."""
        return self._finish(Result(name, State.SKIPPED, 0.0, f"{because.name} {because.state.lower()}"))

    def close(self) -> None:
        """End what still runs, and let go of DVC's files."""
        self._pool.close()
        with self._dvc:
            self._repo.close()

    def _is_changed(self, name: str) -> bool:
        from dvc.lock import LockError

        if self.force:
            return True
        stage = self._stages[name]
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            with self._dvc, self._repo.lock:
                try:
                    if name == GUARD:
                        return bool(stage.changed_stage() or stage.changed_outs())
                    return bool(stage.changed())
                except LockError as error:
                    # Another run's, or that of a run killed a moment ago, whose processes are about to end.
                    recovery.release(self.workspace)
                    if time.monotonic() > deadline:
                        raise _BusyError(" ".join(str(error).split())) from error
            time.sleep(_POLL_SECONDS)

    def _reproduce(self, name: str, start: float) -> Result:
        marked, logged = self.workspace.marker(name), self.workspace.log(name)
        marked.unlink(missing_ok=True)
        logged.parent.mkdir(parents=True, exist_ok=True)
        with logged.open("w", encoding="utf-8") as log:

            def on_line(line: str) -> None:
                log.write(line)
                log.flush()
                self._show(name, line)

            try:
                message = self._pool.reproduce(name, force=self.force, marked=marked, on_line=on_line)
            except WorkerError as error:
                message = str(error)
        found = marker.read(marked)
        seconds = time.monotonic() - start
        if not message:
            return Result(name, State.COMPLETED if found else State.RESTORED, seconds)
        if found.get("state") == "failed":
            return Result(name, State.FAILED, seconds, found["message"], found["exit_code"])
        return Result(name, State.FAILED, seconds, message, _BUG)

    def _show(self, name: str, line: str) -> None:
        if line.startswith(f"Running stage '{name}'"):
            self._tell(Event("started", name, done=self._done, total=len(self.names)))
        elif line.startswith(f"{name}: "):
            message = line.removeprefix(f"{name}: ").strip()
            self._tell(Event("progress", name, message, done=self._done, total=len(self.names)))

    def _finish(self, result: Result) -> Result:
        with self._telling:
            self._done += 1
            event = Event(
                "finished", result.name, result.message, result.state, result.seconds, self._done, len(self.names)
            )
            self._on_event(event)
        return result

    def _tell(self, event: Event) -> None:
        with self._telling:
            self._on_event(event)


def _wanted(plan: Mapping[str, Any], variants: Sequence[str] | None) -> set[str] | None:
    """Names of the instances that `variants` need; None for all."""
    if variants is None:
        return None
    known = {variant["name"]: variant for variant in plan["variants"]}
    names = {GUARD}
    for name in variants:
        if name not in known:
            raise ConfigError(f"no variant '{name}' in params.yaml{nearest(name, known)}")
        names.update(instances(known[name]))
    return names


def _sorted(upstream: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Instances after what they read; stages in the order of the pipeline, keys by name."""
    order = (GUARD, *STAGES, REPORT)
    pending = sorted(upstream, key=lambda name: (order.index(name.partition("@")[0]), name))
    done: set[str] = set()
    while pending:
        name = next(name for name in pending if done.issuperset(upstream[name]))
        pending.remove(name)
        done.add(name)
        yield name
