"""Search a precision for each operator of a Program."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.export import ExportedProgram

from edgewright import registry
from edgewright.config.schemes import GqScheme
from edgewright.config.search import Search
from edgewright.datasets import Samples
from edgewright.errors import InputError
from edgewright.gq.search import methods
from edgewright.gq.search.candidates import Candidates, prepare
from edgewright.gq.search.contributions import Contributions
from edgewright.gq.search.costs import Costs
from edgewright.gq.search.result import Found, found
from edgewright.gq.search.trials import Judge, Scorer, Trials
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.targets.cost_table import CostTable
from edgewright.threads import one_thread


def find_precisions(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    sample: Samples,
    judged: Samples,
    *,
    judge: Judge | None = None,
    measured: CostTable | None = None,
    resume: Path | None = None,
    progress: Progress = silent,
    where: str = "gq",
) -> Found:
    """Find the precision of each operator that the scheme's `search` asks for.

    Equal inputs give an equal result for any number of threads, and for a run that goes on where it was killed.

    Args:
        program: a Program.
        target: the capability map.
        scheme: with `search`; its `layers` are kept and win over what is found.
        sample: calibration data.
        judged: the search sample, that no other stage looks at.
        judge: drop of the task's metric from the logits of `judged`; needed by a budget in it.
        measured: the table of a scheme whose `cost` is a file.
        resume: folder of evaluations; a second call with it goes on behind them.
        progress: called after each evaluation.
        where: key of the scheme, the start of a message.

    Raises:
        ConfigError: a candidate, method, option or cost that does not exist or that the target cannot run.
        InputError: nothing of the program can be quantized, or the sample does not fit.
    """
    assert scheme.search is not None
    wanted = scheme.search
    methods.options_of(wanted, f"{where}.search")
    with one_thread():
        candidates = prepare(program, target, scheme, wanted.candidates, sample, f"{where}.search", progress)
        if not candidates.units:
            raise InputError(f"{where}.search: no operator of the program runs on integers on {target.name} with any "
                             f"of {', '.join(wanted.candidates)}")
        scorer = Scorer(candidates.module, judged, judge)
        contributions = Contributions(candidates, scorer.batches)
        return mixed(
            scheme, candidates, contributions, scorer, measured=measured, resume=resume, progress=progress, where=where
        )


def mixed(
    scheme: GqScheme,
    candidates: Candidates,
    contributions: Contributions,
    scorer: Scorer,
    *,
    measured: CostTable | None = None,
    resume: Path | None = None,
    progress: Progress = silent,
    where: str = "gq",
) -> Found:
    """The search on candidates that are ready; arguments as of `find_precisions`.

    Args:
        scheme: with `search`, whose candidates are those of `candidates` in their order.
        candidates: the precisions.
        contributions: their forecast.
        scorer: compares with the float program.
    """
    assert scheme.search is not None
    wanted = scheme.search
    costs = Costs(candidates, wanted.cost, measured)
    trials = Trials(candidates, scorer, wanted.evaluations, resume, progress)
    problem = methods.Problem(wanted, candidates, costs, contributions, trials)
    options = methods.options_of(wanted, f"{where}.search")
    registry.load(methods.PACKAGE, wanted.method).search(problem, options)
    return found(wanted, scheme, candidates, costs, trials, _sensitivity(candidates, contributions, wanted))


def _sensitivity(candidates: Candidates, contributions: Contributions, wanted: Search) -> Sequence[dict[str, Any]]:
    """Forecast error of each unit alone, the worst first."""
    listed = [
        {
            "unit": unit.name, "names": list(unit.names),
            "mse": {name: contributions.of_unit(number, index) for index, name in enumerate(wanted.candidates)},
        }
        for number, unit in enumerate(candidates.units)
    ]  # fmt: skip
    return sorted(listed, key=lambda item: -max(item["mse"].values()))
