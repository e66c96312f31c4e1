"""The records of `reports/report.json`, the interface that others read; a test holds `schema.json` equal to theirs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["float", "aq", "go", "gq", "compile"]
Status = Literal["ok", "rejected", "failed"]


class Record(BaseModel):
    """Immutable; every field must be there, null where it does not apply; no other field may be."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class MetricRecord(Record):
    """The task's metric of the float model and of the compiled artifact, on the same samples.

    `accept` is the variant's `metric_drop` in points.
    """

    name: str
    base: float | None = Field(alias="float")
    compiled: float | None
    accept: float | None


class BytesRecord(Record):
    """Bytes of the float build and of the compiled artifact."""

    base: int | None = Field(alias="float")
    compiled: int | None


class LatencyRecord(Record):
    """Median milliseconds of one run; `estimate`: computed by `source`, not measured on a device."""

    base: float | None = Field(alias="float")
    compiled: float | None
    estimate: bool
    source: str | None


class DriftRecord(Record):
    """Logits of the artifact against the float model's: dB, squared L2 distance, percent."""

    snr_db: float | None
    logit_mse: float | None
    agreement: float | None


class StageRecord(Record):
    """One row of a variant's table; `state` and `seconds` come from the run record and are null without it."""

    stage: Stage
    key: str
    metric: float | None
    size_bytes: int | None
    latency_ms: float | None
    state: str | None
    seconds: float | None


class ArtifactRecord(Record):
    """Where the compiled artifact lies, and the sha256 of its bytes (null where it was not built)."""

    path: str
    sha256: str | None


class IntervalRecord(Record):
    """Paired 95 % interval of the top-1 difference to float, in points; negative is worse."""

    difference: float
    low: float
    high: float
    samples: int


class PairRecord(Record):
    """A figure of the float model (on the whole held-out sample) and of the compiled artifact."""

    base: float | None = Field(alias="float")
    compiled: float | None


class BudgetRecord(Record):
    """A budget of `accept`: its limit, the figure it limits (null: there is none), whether it is kept."""

    name: str
    limit: float
    value: float | None
    met: bool


class SpreadRecord(Record):
    """Milliseconds of the runs of one measurement."""

    median: float
    p10: float | None
    p90: float | None


class ProfileRecord(Record):
    """How latency was found, and what the target's own tool states."""

    base: SpreadRecord | None = Field(alias="float")
    compiled: SpreadRecord | None
    threads: int | None
    runs: int | None
    host: str | None
    cycles: float | None
    sram_bytes: int | None
    flash_bytes: int | None


class OperatorRecord(Record):
    """An operator of the compiled artifact and what it costs."""

    scope: str
    operator: str
    time_ms: float | None
    cycles: float | None


class NotDelegatedRecord(Record):
    """An operator that the accelerator does not run, and why."""

    operator: str
    scope: str
    reason: str


class CompileRecord(Record):
    """What the toolchain did with the program."""

    toolchain: str
    delegated: int | None
    delegates: int | None
    not_delegated: tuple[NotDelegatedRecord, ...]
    versions: dict[str, str]


class ModuleRecord(Record):
    """A module and its error against the float model; the source is the stage that measured it."""

    scope: str
    operator: str | None
    snr_db: float | None
    mse: float | None
    source: Literal["aq", "gq"]


class FiringRecord(Record):
    """A graph rewrite: its rule, its class, where it fired, and its witness (largest difference and bound)."""

    rule: str
    kind: str
    scope: str
    reason: str | None
    max_abs: float | None
    bound: float | None
    rolled_back: bool


class HeatModuleRecord(Record):
    """Drift of a module after a stage; `snr_db` is null where nothing differs, or with `mse` where nothing is known."""

    scope: str
    operator: str | None
    snr_db: float | None
    mse: float | None
    cosine: float | None


class HeatStageRecord(Record):
    """Drift after a stage: of its modules in the order of the program, and of the output (null: not evaluated).

    `modules` is empty where the stage shows no tensor inside.
    """

    stage: Stage
    output: DriftRecord | None
    modules: tuple[HeatModuleRecord, ...]


class RewritesRecord(Record):
    """What graph optimization did: firings, refusals, and operators before and after."""

    firings: tuple[FiringRecord, ...]
    refused: int
    operators_before: int
    operators_after: int


class LineageRecord(Record):
    """Something the artifact was made from, and its digest."""

    name: str
    digest: str


class LayerRecord(Record):
    """A layer that aq quantized: its grid, and its error against float on the calibration sample.

    `snr_db` is null where the output is exact, and with `output_mse` where nothing was measured; `gain_db` is how
    far the output MSE lies below that of rounding to nearest; `failure` is why `on_failure` took over.
    """

    scope: str
    operator: str | None
    format: str
    bits: int
    group: int | None
    symmetric: bool
    algorithm: str
    weight_mse: float | None
    output_mse: float | None
    snr_db: float | None
    rtn_output_mse: float | None
    gain_db: float | None
    failure: str | None


class LeftRecord(Record):
    """A layer that something was not done to, and why."""

    scope: str
    reason: str


class FailureRecord(Record):
    """A layer that its algorithm could not quantize, why, and what it became: `rtn` or `float`."""

    scope: str
    reason: str
    became: str


class TransformRecord(Record):
    """How many layers a transform changed, those that it had to leave, and what else it says of them."""

    name: str
    layers: int
    skipped: tuple[LeftRecord, ...]
    notes: tuple[str, ...] = ()


class WeightsRecord(Record):
    """What aq did to each layer, worst first; `skipped` stayed float, `provenance` says where and how it ran."""

    layers: tuple[LayerRecord, ...]
    skipped: tuple[LeftRecord, ...]
    transforms: tuple[TransformRecord, ...]
    failures: tuple[FailureRecord, ...]
    provenance: dict[str, str]


class PointRecord(Record):
    """A mixed program that a search evaluated; `share` is its cost over that of the dearest candidate's."""

    share: float
    mse: float | None
    snr_db: float | None
    metric_drop: float | None
    units: dict[str, int]


class SearchRecord(Record):
    """A search of mixed precision: the point that stays, and the front of cost and error."""

    method: str
    cost: str
    evaluations: int
    chosen: PointRecord
    front: tuple[PointRecord, ...]


class TuningStepRecord(Record):
    """A step of `edgewright tune`; `share` is bytes of the weights over the float ones."""

    step: str
    share: float
    mse: float | None
    snr_db: float | None
    metric_drop: float | None
    evaluations: int
    reached: bool


class TuningRecord(Record):
    """What led to the scheme: the cause of the first scheme's error, and what was tried."""

    cause: str
    steps: tuple[TuningStepRecord, ...]
    chosen: str


class DetailsRecord(Record):
    """What the page shows beyond the summary: null or empty where a stage did not run."""

    task: str
    better: Literal["lower", "higher"]
    unit: str
    samples: int | None
    float_samples: int | None
    synthetic: bool
    runtime: str | None
    metrics: dict[str, PairRecord]
    interval: IntervalRecord | None
    budgets: tuple[BudgetRecord, ...]
    profile: ProfileRecord | None
    operators: tuple[OperatorRecord, ...]
    compile: CompileRecord | None
    modules: tuple[ModuleRecord, ...]
    heat: tuple[HeatStageRecord, ...] = ()
    weights: WeightsRecord | None = None
    rewrites: RewritesRecord | None
    search: SearchRecord | None = None
    tuning: TuningRecord | None = None
    lineage: tuple[LineageRecord, ...]


class Variant(Record):
    """One variant: a model, a recipe, a scheme and a target, and what came of it."""

    name: str
    model: str
    aq: str
    gq: str
    target: str
    status: Status
    reason: str | None
    metric: MetricRecord
    size_bytes: BytesRecord
    latency_ms: LatencyRecord
    memory_bytes: BytesRecord
    drift: DriftRecord
    stages: tuple[StageRecord, ...]
    artifact: ArtifactRecord
    details: DetailsRecord


class Report(Record):
    """All of `reports/report.json`."""

    version: Literal[1] = Field(alias="schema")
    variants: tuple[Variant, ...]
