"""What a run is, whoever starts it: check, plan, run, record."""

from collections.abc import Sequence

from edgewright.engine import plan, run_record, scheduler
from edgewright.engine.schedule import Schedule
from edgewright.engine.state import Event, Outcome
from edgewright.engine.validate import require_valid
from edgewright.engine.workspace import Workspace


def build(
    workspace: Workspace,
    *,
    variants: Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    on_event: scheduler.OnEvent = lambda event: None,
    schedule: type[Schedule] = Schedule,
) -> Outcome:
    """Bring `variants` (all by default) up to date with params.yaml; arguments as for `scheduler.run`.

    reports/run.json is written by every run, also one that found nothing to do.

    Raises:
        ConfigError: params.yaml is wrong, a variant does not exist.
        InputError: a file that params.yaml names is wrong.
    """
    require_valid(workspace)
    if changed := plan.write(workspace):
        on_event(Event("notice", message=f"planned anew: {', '.join(changed)}"))
    outcome = scheduler.run(
        workspace, variants=variants, jobs=jobs, force=force, on_event=on_event, schedule=schedule
    )
    run_record.write(workspace, outcome)
    return outcome
