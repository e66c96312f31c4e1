"""Keeps what happens to each layer, part by part of the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import nn

from edgewright.aq.contract import Applied, Skipped
from edgewright.aq.failure import LayerError
from edgewright.aq.report import Failure, LayerReport, QuantizedModel, TransformReport
from edgewright.aq.selection import Selection
from edgewright.models.quantized import WeightFormat
from edgewright.progress import Progress


@dataclass(slots=True)
class Part:
    """What happened in one part of the model."""

    formats: dict[str, WeightFormat] = field(default_factory=dict)
    rows: list[LayerReport] = field(default_factory=list)
    applied: dict[str, Applied] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Recorder:
    """Collects the report of a run, and tells how far it is."""

    def __init__(
        self, selection: Selection, transforms: Iterable[str], on_failure: Literal["stop", "rtn", "float"],
        progress: Progress,
    ) -> None:  # fmt: skip
        names = (layer.name for layer in (*selection.embeddings, *selection.layers))
        self.order, self.transforms = {name: index for index, name in enumerate(names)}, tuple(transforms)
        self.on_failure, self._progress, self._shown = on_failure, progress, 0.0
        self.parts = [Part(skipped=list(selection.skipped), failures=list(selection.failures))]

    def begin(self) -> None:
        """What is recorded from now on belongs to a part of its own."""
        self.parts.append(Part())

    @property
    def part(self) -> Part:
        """The part that is recorded now."""
        return self.parts[-1]

    @property
    def done(self) -> int:
        """Layers that are finished, whatever became of them."""
        return sum(len(part.rows) + sum(item.module in self.order for item in part.skipped) for part in self.parts)

    def changed_by(self, layer: str) -> tuple[str, ...]:
        """The transforms that changed a layer, in the order of the recipe."""
        found = {name for part in self.parts for name, item in part.applied.items() if layer in item.layers}
        return tuple(name for name in self.transforms if name in found)

    def advance(self, name: str, layers: int, share: float, what: str) -> None:
        """Show that `share` of the work on a block of `layers` layers is done."""
        self._show(self.done + share * layers, f"{name}: {what}" if name else what)

    def row(self, row: LayerReport, weight_format: WeightFormat) -> None:
        """A layer was quantized."""
        self.part.formats[row.module] = weight_format
        self.part.rows.append(row)
        self._show(self.done, row.module)

    def fail(self, error: LayerError) -> None:
        """Record the failure of a layer, or raise it where the recipe stops at one."""
        if self.on_failure == "stop":
            raise error
        self.part.failures.append(Failure(error.layer, error.reason, self.on_failure))
        if self.on_failure == "float":
            self.part.skipped.append(Skipped(error.layer, f"{error.reason} (on_failure: float)"))
            self._show(self.done, error.layer)

    def _show(self, done: float, scope: str) -> None:
        # Layers that a long algorithm trained together are counted again as they come out of it.
        self._shown = max(self._shown, done)
        self._progress(self._shown, len(self.order), scope)

    def last(self) -> tuple[dict[str, WeightFormat], dict[str, Any]]:
        """Formats of the part, and the rest as JSON."""
        part = self.part
        return part.formats, {
            "rows": [asdict(row) for row in part.rows],
            "applied": {name: asdict(item) for name, item in part.applied.items()},
            "skipped": [asdict(item) for item in part.skipped],
            "failures": [asdict(item) for item in part.failures],
        }

    def restore(self, formats: dict[str, WeightFormat], record: Mapping[str, Any], name: str) -> None:
        """Take over a part from what `last` gave for it."""
        applied = {
            key: Applied(tuple(item["layers"]), _skipped(item["skipped"]), tuple(item["notes"]))
            for key, item in record["applied"].items()
        }
        rows = [LayerReport(**row) for row in record["rows"]]
        failures = [Failure(**item) for item in record["failures"]]
        self.parts.append(Part(formats, rows, applied, list(_skipped(record["skipped"])), failures))
        self._show(self.done, f"{name} (finished by an earlier run)")

    def result(self, model: nn.Module, device: str) -> QuantizedModel:
        """The report of the whole run; rows in the order of the model's modules."""
        transforms = {}
        for name in self.transforms:
            applied = [part.applied[name] for part in self.parts if name in part.applied]
            transforms[name] = TransformReport(
                tuple(layer for item in applied for layer in item.layers),
                tuple(skipped for item in applied for skipped in item.skipped),
                tuple(note for item in applied for note in item.notes),
            )
        formats = {name: item for part in self.parts for name, item in part.formats.items()}
        rows = sorted((row for part in self.parts for row in part.rows), key=lambda row: self.order[row.module])
        return QuantizedModel(
            module=model, formats=formats, layers=tuple(rows),
            skipped=tuple(item for part in self.parts for item in part.skipped), transforms=transforms,
            failures=tuple(item for part in self.parts for item in part.failures), device=device,
        )  # fmt: skip


def _skipped(items: Sequence[Mapping[str, str]]) -> tuple[Skipped, ...]:
    return tuple(Skipped(**item) for item in items)
