"""Independent stages side by side, on top of DVC, which alone decides what is up to date."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from edgewright.engine import plan, recovery
from edgewright.engine.schedule import Schedule
from edgewright.engine.state import Event, Outcome, Result
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError

OnEvent = Callable[[Event], None]


def run(
    workspace: Workspace,
    *,
    variants: Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    on_event: OnEvent = lambda event: None,
    schedule: type[Schedule] = Schedule,
) -> Outcome:
    """Bring the stages of `variants` (all by default, and then the report too) up to date.

    A stage starts once everything that it reads is done, the one with the longest chain below it first;
    a profile runs with nothing beside it. What depends on a failed stage is skipped, the rest goes on.

    Args:
        workspace: the workspace; its plan must be current.
        variants: names of variants.
        jobs: stages at a time; the cores of this process by default.
        force: run the stages even if nothing changed.
        on_event: called from one thread at a time.
        schedule: what executes an instance; the Prefect flow's makes a task run of it.

    Raises:
        ConfigError: the plan is stale, a variant does not exist.
    """
    if stale := plan.check(workspace):
        raise ConfigError(stale)

    def tell(notice: str) -> None:
        on_event(Event("notice", message=notice))

    for notice in recovery.recover(workspace, tell):
        tell(notice)
    prepared = schedule(workspace, variants, force=force, on_event=on_event)
    try:
        return _Run(prepared, jobs or len(os.sched_getaffinity(0))).outcome()
    finally:
        prepared.close()


class _Run:
    def __init__(self, schedule: Schedule, jobs: int) -> None:
        self.schedule = schedule
        self.jobs = jobs
        self.results: dict[str, Result] = {}
        self.waiting = list(schedule.by_priority())
        self.running: dict[Future[Result], str] = {}

    def outcome(self) -> Outcome:
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="stage") as pool:
            try:
                while self.waiting or self.running:
                    self.skip()
                    while (name := self.next()) is not None:
                        self.waiting.remove(name)
                        self.running[pool.submit(self.schedule.execute, name)] = name
                    if self.running:
                        self.collect()
            except BaseException:
                self.schedule.close()
                raise
        return Outcome(self.results)

    def collect(self) -> None:
        finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
        for future in finished:
            name = self.running.pop(future)
            self.results[name] = future.result()

    def next(self) -> str | None:
        """The instance to start now, if any."""
        if len(self.running) >= self.jobs or any(map(self.schedule.exclusive, self.running.values())):
            return None
        ready = [name for name in self.waiting if self.is_ready(name)]
        shared = [name for name in ready if not self.schedule.exclusive(name)]
        if shared:
            return shared[0]
        return ready[0] if ready and not self.running else None

    def is_ready(self, name: str) -> bool:
        return all(up in self.results and self.results[up].state.is_done for up in self.schedule.upstream(name))

    def skip(self) -> None:
        """Gives up on what needs something that failed."""
        for name in self.schedule.names:
            if name not in self.waiting:
                continue
            for up in self.schedule.upstream(name):
                result = self.results.get(up)
                if result is not None and not result.state.is_done:
                    self.waiting.remove(name)
                    self.results[name] = self.schedule.skip(name, result)
                    break
