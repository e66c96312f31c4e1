"""What weight quantization did to each layer, from aq's layers.json."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from edgewright.report.types import FailureRecord, LayerRecord, LeftRecord, TransformRecord, WeightsRecord

Json = Mapping[str, Any]
_PROVENANCE = ("provenance", "checkpoint", "rotations")


def weights(raw: Json | None) -> WeightsRecord | None:
    """The record of a layers.json, worst layer first; None where there is no file."""
    if raw is None:
        return None
    records = [_layer(item) for item in raw["modules"]]
    return WeightsRecord(
        layers=tuple(sorted(records, key=lambda item: (quality(item), item.scope))),
        skipped=_left(raw.get("skipped")),
        transforms=tuple(
            TransformRecord(
                name=name, layers=item["layers"], skipped=_left(item["skipped"]), notes=tuple(item.get("notes", ()))
            )
            for name, item in (raw.get("transforms") or {}).items()
        ),
        failures=tuple(
            FailureRecord(scope=item["module"], reason=item["reason"], became=item["became"])
            for item in raw.get("failures") or ()
        ),
        provenance={name: text for key in _PROVENANCE for name, text in _flat(key, raw.get(key))},
    )


def quality(layer: LayerRecord) -> float:
    """SNR of the output in dB; infinite where it is exact or was not measured."""
    return inf if layer.snr_db is None else layer.snr_db


def failures_text(record: WeightsRecord | None) -> str | None:
    """`aq: 3 layers failed, 2 became rtn, 1 became float`; None where none did."""
    if record is None or not record.failures:
        return None
    count = len(record.failures)
    became = [item.became for item in record.failures]
    parts = [f"{became.count(name)} became {name}" for name in dict.fromkeys(became)]
    return f"aq: {count} layer{'' if count == 1 else 's'} failed, {', '.join(parts)}"


def _layer(item: Json) -> LayerRecord:
    # In dB, since a transform may have scaled the outputs.
    ratio, rtn_ratio = item.get("output_snr_db"), item.get("rtn_output_snr_db")
    return LayerRecord(
        scope=item["module"],
        operator=item.get("class"),
        format=item.get("format") or "int",
        bits=item["bits"],
        group=item["group"],
        symmetric=item["symmetric"],
        algorithm=item["algorithm"],
        weight_mse=item.get("weight_mse"),
        output_mse=item.get("output_mse"),
        snr_db=ratio,
        rtn_output_mse=item.get("rtn_output_mse"),
        gain_db=None if ratio is None or rtn_ratio is None else ratio - rtn_ratio,
        failure=item.get("failure"),
    )


def _left(items: Iterable[Json] | None) -> tuple[LeftRecord, ...]:
    return tuple(LeftRecord(scope=item["module"], reason=item["reason"]) for item in items or ())


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """Name and text of each value of a tree of objects; an empty one has none."""
    if value is None or value == {} or value == []:
        return []
    if isinstance(value, Mapping):
        return [pair for key in value for pair in _flat(key if name == "provenance" else f"{name} {key}", value[key])]
    if isinstance(value, list):
        return [(name, ", ".join(map(str, value)))]
    return [(name, str(value))]
