"""The pipeline as a Prefect flow: `python -m flows.optimize [VARIANT...]`, or a deployment of prefect.yaml.

It is the schedule of edgewright.engine.scheduler with a task run for each stage instance; DVC stays the one
cache, so tasks neither cache nor keep results. Its states are the schedule's: Completed, Restored, Cached,
Failed, Skipped.
"""

import sys
from contextvars import copy_context
from typing import Any

from flows import server

server.prepare()

from prefect import flow, get_run_logger, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.client.schemas.objects import State as PrefectState  # noqa: E402
from prefect.states import Cancelled, Completed, Failed  # noqa: E402

from edgewright.cli import show_report  # noqa: E402
from edgewright.engine.build import build  # noqa: E402
from edgewright.engine.schedule import Schedule  # noqa: E402
from edgewright.engine.state import Event, Outcome, Result, State  # noqa: E402
from edgewright.engine.workspace import Workspace  # noqa: E402
from edgewright.errors import EdgewrightError  # noqa: E402

_KINDS = {State.FAILED: Failed, State.SKIPPED: Cancelled}


class TaskSchedule(Schedule):
    """A schedule whose instances each end in a task run of the flow that has made it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._flow = copy_context()
        self._states: dict[str, PrefectState[Any]] = {}

    def execute(self, name: str) -> Result:
        """As the schedule does, in a task run."""
        return self._recorded(name, super().execute)

    def skip(self, name: str, because: Result) -> Result:
        """As the schedule does, as a task run that did nothing."""
        return self._recorded(name, lambda name: super(TaskSchedule, self).skip(name, because))

    def _recorded(self, name: str, run: Any) -> Result:
        results: list[Result] = []

        @task(name=name.partition("@")[0], task_run_name=name.replace("{", "("), cache_policy=NO_CACHE,
              persist_result=False)
        def instance() -> PrefectState[Any]:
            results.append(run(name))
            return _KINDS.get(results[0].state, Completed)(name=results[0].state.value, message=results[0].message)

        # An instance is skipped as soon as one above it has failed, while others above it may still run.
        ended = [self._states[up] for up in self.upstream(name) if up in self._states]
        above = [state for state in ended if state.is_completed()]
        state = self._flow.copy().run(instance, wait_for=above, return_state=True)
        self._states[name] = state
        if not results:
            raise RuntimeError(f"{name}: the task did not run: {state.message}")
        return results[0]


@flow(name="optimize", persist_result=False, validate_parameters=False)
def optimize(variants: list[str] | None = None, jobs: int | None = None) -> PrefectState[Any]:
    """Build what params.yaml asks for in the current folder.

    Args:
        variants: names of variants, `model--aq--gq--target`; all by default.
        jobs: stages at a time; one a core by default.
    """
    logger = get_run_logger()

    def tell(event: Event) -> None:
        if event.kind in ("notice", "progress"):
            logger.info("%s", f"{event.name}: {event.message}" if event.name else event.message)

    try:
        workspace = Workspace.find()
        outcome = build(workspace, variants=variants, jobs=jobs, on_event=tell, schedule=TaskSchedule)
        return _ended(workspace, outcome, variants)
    except EdgewrightError as error:
        return Failed(message=str(error), data=error.exit_code)


def _ended(workspace: Workspace, outcome: Outcome, variants: list[str] | None) -> PrefectState[Any]:
    report = show_report.of_outcome(workspace, outcome, variants)
    if outcome.failed:
        lines = [f"{result.name}: {result.message}" for result in outcome.failed]
        return Failed(message="; ".join(lines), data=outcome.exit_code)
    show_report.require_ok(report)
    return Completed(message=f"{len(outcome.results)} stages up to date")


def main() -> int:
    """Run the flow here; the exit code is that of `edgewright run`."""
    state = optimize(variants=sys.argv[1:] or None, return_state=True)
    if state.is_completed():
        print(state.message)
        return 0
    print(f"error: {state.message}", file=sys.stderr)
    code = state.result(raise_on_failure=False)
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    sys.exit(main())
