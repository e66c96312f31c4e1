"""Tune a scheme until its budget holds: baseline, cause, equalization, LiteMP, AMP, AdaRound, the first that does."""

from collections.abc import Sequence
from dataclasses import replace

from torch.export import ExportedProgram

from edgewright import ir
from edgewright.config.precision import FLOAT
from edgewright.config.schemes import ActivationScheme, GqScheme, RoundingScheme, WeightScheme
from edgewright.config.search import Search, SearchBudget
from edgewright.datasets import Samples
from edgewright.errors import ConfigError
from edgewright.gq.quantizer import quantize
from edgewright.gq.search.budget import within
from edgewright.gq.search.candidates import Candidates, prepare
from edgewright.gq.search.contributions import Contributions
from edgewright.gq.search.costs import Costs
from edgewright.gq.search.precisions import mixed
from edgewright.gq.search.simulation import NOTHING, Precision, output_of
from edgewright.gq.search.trials import Judge, Score, Scorer
from edgewright.gq.tune.step import Cause, Step, Tuned
from edgewright.progress import Progress, silent
from edgewright.targets import Target, check_scheme
from edgewright.threads import one_thread

BASELINES = ("w8a8", "w8a16", "w16a16")
"""Precisions that a baseline may have, the cheapest first; half precision follows where the target has it."""

_CANDIDATES = ("w4a8", *BASELINES)
_HALF = "float16"
_NARROW = 4
_EVALUATIONS = 20


def tune(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    accept: SearchBudget,
    sample: Samples,
    judged: Samples,
    *,
    judge: Judge | None = None,
    progress: Progress = silent,
    where: str = "gq",
) -> Tuned:
    """Try one thing after another until `accept` holds on the search sample.

    1. The scheme as it is; where it holds, nothing else is tried.
    2. The baseline: each of w8a8, w8a16, w16a16 and half precision that the target can run, the cheapest first.
    3. The cause: rounded weights alone, rounded activations alone.
    4. Cross-layer equalization at the first baseline, where activations are a cause.
    5. LiteMP between the first baseline and the cheapest that holds, or float.
    6. AMP over all precisions that the target can run.
    7. AdaRound of the weights, where they are a cause.

    A baseline that holds is what stays if nothing cheaper does; the first of the others that holds ends the flow. Equal
    inputs give an equal result. Every figure of a step is that of the quantized Program itself.

    Args:
        program: the optimized Program.
        target: the capability map.
        scheme: where to begin; its granularity, symmetry and calibration are kept.
        accept: the budget.
        sample: calibration data.
        judged: the search sample.
        judge: the task's metric, for a budget in it.
        progress: called through calibration and evaluations.
        where: name of the variant, the start of a message.

    Raises:
        ConfigError: the target can run none of the precisions.
    """
    with one_thread():
        return _Flow(program, target, scheme, accept, sample, judged, judge, progress, where).run()


class _Flow:
    def __init__(
        self, program: ExportedProgram, target: Target, scheme: GqScheme, accept: SearchBudget, sample: Samples,
        judged: Samples, judge: Judge | None, progress: Progress, where: str,
    ) -> None:  # fmt: skip
        self.program, self.target, self.accept, self.where = program, target, accept, where
        self.sample, self.progress = sample, progress
        self.start = scheme.model_copy(update={
            "search": None, "encodings": None, "weights": scheme.weights or WeightScheme(),
            "activations": scheme.activations or ActivationScheme(), "dtype": "float32",
        })
        self.legal = [name for name in _CANDIDATES if _can(target, self.start, name)]
        if not self.legal:
            check_scheme(target, self.start, where)
            raise ConfigError(f"{where}: target {target.name} can run none of {', '.join(_CANDIDATES)}")
        self.candidates = prepare(program, target, self.start, (*self.legal, FLOAT), sample, where, progress)
        self.scorer = Scorer(self.candidates.module, judged, judge)
        self.costs = Costs(self.candidates, "bytes")
        self.steps: list[Step] = []

    def run(self) -> Tuned:
        self.try_scheme("as it is", self.start, self.share_of(self.start))
        cause = self.cause()
        if not self.steps[-1].reached:
            self.improve(cause)
        reached = [step for step in self.steps if step.reached]
        best = min(reached, key=lambda step: step.share) if reached else min(self.steps, key=lambda s: s.score.mse)
        return Tuned(self.target.name, self.accept, cause, tuple(self.steps), best)

    def improve(self, cause: Cause) -> None:
        baselines = [name for name in BASELINES if name in self.legal]
        holding = FLOAT
        for name in baselines:
            scheme = self.uniform(name)
            if scheme == self.start:
                continue
            if self.try_scheme(f"baseline {name}", scheme, self.share_of(scheme)):
                holding = name
                break
        if holding == FLOAT and self.target.float16:
            self.try_scheme("baseline float16", GqScheme(dtype=_HALF), 0.5)
        cheapest = self.legal[0] if self.start.weights and self.start.weights.bits == _NARROW else baselines[0]
        if holding == cheapest:
            return
        if cause.name != "weights" and self.equalized(cheapest):
            return
        if self.search("LiteMP", "litemp", (cheapest, holding)):
            return
        if self.search("AMP", "amp", (*self.legal, FLOAT)):
            return
        if cause.name != "activations":
            self.adaround(cheapest)

    def equalized(self, precision: str) -> bool:
        scheme = self.uniform(precision).model_copy(update={"corrections": ("equalize", "bias")})
        return self.try_scheme(f"cross-layer equalization at {precision}", scheme, self.share_of(scheme))

    def search(self, title: str, method: str, names: Sequence[str]) -> bool:
        wanted = Search(method=method, candidates=tuple(names), accept=self.accept, evaluations=_EVALUATIONS)
        candidates = self.only(names)
        contributions = Contributions(candidates, self.scorer.batches)
        scheme = self.start.model_copy(update={"search": wanted, "layers": {}})
        found = mixed(scheme, candidates, contributions, self.scorer, progress=self.progress, where=self.where)
        name = f"{title} of {', '.join(names)}"
        return self.try_scheme(name, found.scheme, float(found.record["chosen"]["share"]), found.record["evaluations"])

    def adaround(self, precision: str) -> None:
        scheme = self.uniform(precision)
        assert scheme.weights is not None
        rounded = scheme.model_copy(update={"weights": scheme.weights.model_copy(
            update={"rounding": RoundingScheme(method="adaround")})})
        self.try_scheme(f"AdaRound at {precision}", rounded, self.share_of(rounded))

    def try_scheme(self, name: str, scheme: GqScheme, share: float, evaluations: int = 0) -> bool:
        """Quantize, score, add the step; whether the budget holds."""
        quantized = ir.unlift(
            quantize(self.program, self.target, scheme, self.sample, progress=self.progress, where=self.where).program
        )
        score = self.scorer.score(lambda row: output_of(quantized, NOTHING, row))
        # Everything in float keeps any budget, and is no answer.
        reached = share < 1 and within(self.accept, score, share)
        self.steps.append(Step(name, scheme, score, share, evaluations + 1, reached))
        return reached

    def cause(self) -> Cause:
        """The first scheme with one kind of rounding at a time, simulated."""
        name = f"w{self.start.weights.bits}a{self.start.activations.bits}" if (
            self.start.weights and self.start.activations) else self.legal[0]
        index = self.legal.index(name) if name in self.legal else 0
        whole = self.candidates.precisions[index]
        weights = replace(whole, plans={node: replace(plan, kernel=plan.kernel.model_copy(update={"activations": None}))
                                        for node, plan in whole.plans.items()})
        activations = replace(whole, weights={}, biases={})
        return Cause(self.alone(weights).mse, self.alone(activations).mse)

    def alone(self, precision: Precision) -> Score:
        candidates = replace(self.candidates, precisions=(precision,))
        found = candidates.changes(tuple(0 for _ in candidates.units))
        return self.scorer.score(lambda row: output_of(candidates.module, found, row))

    def only(self, names: Sequence[str]) -> Candidates:
        by_name = {item.name: item for item in self.candidates.precisions}
        return replace(self.candidates, precisions=tuple(by_name[name] for name in names))

    def uniform(self, precision: str) -> GqScheme:
        layer = self.start.resolved(precision)
        assert layer is not None
        return self.start.model_copy(update={"weights": layer.weights, "activations": layer.activations})

    def share_of(self, scheme: GqScheme) -> float:
        """Bytes of the weights of a scheme that is the same everywhere, as a share of the float ones."""
        bits = scheme.weights.bits if scheme.weights is not None else 0
        index = next((place for place, name in enumerate(self.legal) if name.startswith(f"w{bits}a")), None)
        if index is None:
            return 1.0
        return self.costs.share(tuple(
            index if index in legal else legal[-1] for legal in self.candidates.legal
        ))


def _can(target: Target, scheme: GqScheme, precision: str) -> bool:
    layer = scheme.resolved(precision)
    assert layer is not None
    wanted = scheme.model_copy(update={"weights": layer.weights, "activations": layer.activations, "layers": {}})
    try:
        check_scheme(target, wanted, precision)
    except ConfigError:
        return False
    return True
