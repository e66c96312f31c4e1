"""What a figure of a variant is compared with: everything is relative to float."""

from edgewright.report.types import StageRecord, Variant


def row(variant: Variant, stage: str) -> StageRecord | None:
    """The variant's row of `stage`."""
    return next((item for item in variant.stages if item.stage == stage), None)


def base_metric(variant: Variant, stage: str) -> float | None:
    """The float metric that a stage is compared with: for the compiled artifact, that on the same samples."""
    if stage == "compile":
        return variant.metric.base
    first = row(variant, "float")
    return first.metric if first else None


def base_size(variant: Variant, stage: str) -> int | None:
    """The size that a stage is compared with: the model's float bytes, for the artifact the float build's."""
    if stage == "compile":
        return variant.size_bytes.base
    first = row(variant, "float")
    return first.size_bytes if first else None


def worse_percent(variant: Variant, stage: str) -> float | None:
    """By how many percent of the float metric that of a stage is worse: variants of other metrics compare.

    None where there is no value, or where the float metric is 0 (a metric that is a distance to float).
    """
    item, base = row(variant, stage), base_metric(variant, stage)
    if item is None or item.metric is None or not base:
        return None
    change = 100.0 * (item.metric - base) / base
    return -change if variant.details.better == "higher" else change


def fewer_samples(variant: Variant) -> bool:
    """Whether the compiled artifact was run on fewer samples than the rows above it (a simulator is slow)."""
    samples, float_samples = variant.details.samples, variant.details.float_samples
    return samples is not None and float_samples is not None and samples < float_samples
