"""How a precision is searched for each module: `search` of an entry of `gq` in params.yaml."""

from collections.abc import Mapping

from pydantic import Field, PositiveInt, model_validator

from edgewright.config.entry import Entry
from edgewright.config.precision import Precision


class SearchBudget(Entry):
    """What the result of a search must keep, judged on the search sample.

    Attributes:
        metric_drop: the task's metric may be worse than the float model's by so many points.
        snr_db: the logits must have at least this signal-to-noise ratio against the float model's, in dB.
        cost: the cost may be at most this share of that of the most precise candidate.
    """

    metric_drop: float | None = None
    snr_db: float | None = None
    cost: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _one(self) -> "SearchBudget":
        if self == SearchBudget.model_construct():
            raise ValueError("give one of metric_drop, snr_db, cost")
        return self


class Search(Entry):
    """A search over the precisions of modules.

    ```yaml
    search: {method: amp, candidates: [w4a8, w8a8, w8a16, float], accept: {snr_db: 25}, cost: bytes, evaluations: 20}
    ```
    `cost` is also the file of a table that `edgewright costs` made, `costs/NAME.json`; `evaluations` bounds how often
    a whole quantized program runs over the search sample.
    """

    method: str = "amp"
    candidates: tuple[Precision, ...] = ("w8a8", "float")
    accept: SearchBudget
    cost: str = "bytes"
    evaluations: PositiveInt = 20
    options: Mapping[str, float] = {}

    @property
    def cost_file(self) -> str | None:
        """The file of a cost table, where `cost` is one."""
        return self.cost if self.cost.endswith(".json") else None

    @model_validator(mode="after")
    def _candidates(self) -> "Search":
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError("candidates: one is listed twice")
        return self
