"""Metrics of one artifact on the held-out sample, and its drift against the float model."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgewright.errors import InputError
from edgewright.evaluate.interval import PairedTop1
from edgewright.evaluate.metric import PRIMARY, Array, BaseMetric, for_task
from edgewright.progress import Progress, silent

if TYPE_CHECKING:
    from edgewright.config.sources import Task
    from edgewright.datasets.sample import Sample

Run = Callable[[tuple[npt.NDArray[Any], ...]], npt.NDArray[Any]]
"""Runs one batch: the model's inputs, each [N, ...], to logits [N, ...]."""


def evaluate(
    run: Run,
    sample: "Sample",
    task: "Task",
    *,
    reference: Run | None,
    batch: int,
    drift_samples: int,
    runtime: str,
    size_bytes: int,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run an artifact over the held-out sample, batch by batch, and give the content of `metrics.json`.

    Only sums are kept: memory is that of one batch of logits. Where labels are missing the metrics that
    need them are left out. A classifier's float reference runs on every sample, since the paired
    interval needs its prediction of each, as does that of a regression, whose metric is the drift; a
    language model's runs on the first `drift_samples` windows.

    Args:
        run: the artifact; takes a tuple of inputs, gives logits [N, classes], [N, positions, vocabulary]
            for a language model, [N, ...] for a regression.
        sample: the held-out sample.
        task: the model's task; it decides the metrics.
        reference: the float model; None where the artifact is the float model itself.
        batch: samples in a batch; the last may be smaller.
        drift_samples: windows on which a language model's drift is measured.
        runtime: what ran the artifact: "pytorch", "xnnpack", "onnxruntime", "openvino" or "tosa-reference-model".
        size_bytes: size of the artifact, copied into the result.
        progress: called after each batch with samples.

    Returns:
        The JSON object of docs/evaluate.md; figures that are not finite (the SNR of equal logits) are null.

    Raises:
        InputError: the sample is empty, the logits are not finite or not of the reference's shape, or a
            classifier's sample has no labels or one that the model has no logit for.
    """
    if len(sample) == 0:
        raise InputError("evaluate: the held-out sample has no rows")
    primary = PRIMARY[task]
    labelled = sample.labels is not None
    if task == "image-classification" and not labelled:
        raise InputError("evaluate: image-classification needs a label for each held-out row, the sample has none")
    classes = {n: m for n, m in for_task(task).items() if labelled or not m.needs_labels}
    plain = {name: metric() for name, metric in classes.items() if not metric.needs_reference}
    compared = {name: metric() for name, metric in classes.items() if metric.needs_reference}
    paired = PairedTop1() if task == "image-classification" and reference is not None else None
    compare_on = 0 if reference is None else len(sample)
    if task == "language-modeling":
        compare_on = min(compare_on, drift_samples)

    done = 0
    for inputs in sample.batches(batch):
        count = len(inputs[0])
        logits = _checked(run(inputs), task, inputs, done)
        labels, expected, keep = None, None, min(count, compare_on - done)
        if reference is not None and keep > 0:
            expected = _checked(reference(inputs), task, inputs, done)
            if expected.shape != logits.shape:
                raise InputError(
                    f"evaluate: logits of shape {list(logits.shape)}, the float model gives {list(expected.shape)}"
                )
        if sample.labels is not None:
            labels = _checked_labels(sample.labels[done : done + count], logits, done)
        _update(plain, logits, None, labels, inputs)
        if expected is not None:
            _update(compared, logits[:keep], expected[:keep], None, tuple(item[:keep] for item in inputs))
            if paired is not None and labels is not None:
                paired.update(logits, expected, labels)
        done += count
        progress(done, len(sample), "samples")

    figures = {name: _finite(metric.compute()) for name, metric in plain.items()}
    drift = None
    if reference is not None:
        drift = {name: _finite(metric.compute()) for name, metric in compared.items()}
    return {
        "schema": 1,
        "metric": _primary(primary, figures, drift, done, paired),
        "metrics": figures,
        "drift": _drift(drift, compare_on),
        "interval": asdict(paired.compute()) if paired is not None else None,
        "size_bytes": size_bytes,
        "synthetic": sample.synthetic,
        "runtime": runtime,
        "sample_digest": sample.digest,
    }


def _checked(logits: Array, task: str, inputs: tuple[Array, ...], start: int) -> Array:
    """Logits as [N, positions, vocabulary] or [N, values]; the border where a runtime's output is checked."""
    count = len(inputs[0])
    shape = (count, inputs[0].shape[1]) if task == "language-modeling" else (count,)
    if logits.shape[: len(shape)] != shape or logits.ndim <= len(shape):
        raise InputError(f"evaluate: logits of shape {list(logits.shape)} for {count} samples, not {[*shape, '...']}")
    if not np.isfinite(logits).all():
        bad = start + int(np.flatnonzero(~np.isfinite(logits.reshape(count, -1)).all(axis=1))[0])
        raise InputError(f"evaluate: logits of held-out sample {bad} hold NaN or infinity")
    return logits if task == "language-modeling" else logits.reshape(count, -1)


def _checked_labels(labels: npt.NDArray[np.int64], logits: Array, start: int) -> Array:
    wrong = np.flatnonzero((labels < 0) | (labels >= logits.shape[-1]))
    if len(wrong):
        raise InputError(
            f"evaluate: held-out sample {start + wrong[0]} has label {labels[wrong[0]]}, "
            f"the model gives {logits.shape[-1]} logits"
        )
    return labels


def _update(
    metrics: dict[str, BaseMetric],
    logits: Array,
    reference: Array | None,
    labels: Array | None,
    inputs: tuple[Array, ...],
) -> None:
    for metric in metrics.values():
        metric.update(logits, reference=reference, labels=labels, inputs=inputs)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _primary(
    name: str,
    figures: dict[str, float | None],
    drift: dict[str, float | None] | None,
    samples: int,
    paired: PairedTop1 | None,
) -> dict[str, Any]:
    reference: float | None = None
    if name in figures:
        value = figures[name]
        reference = paired.reference_top1 if paired is not None else None
    else:
        # the float model has no distance to itself
        value = 0.0 if drift is None else drift[name]
        reference = None if drift is None else 0.0
    if value is None:
        raise InputError(f"evaluate: the {name} of the artifact is not finite")
    return {"name": name, "value": value, "samples": samples, "reference": reference}


def _drift(drift: dict[str, float | None] | None, samples: int) -> dict[str, Any] | None:
    if drift is None:
        return None
    return {
        "snr_db": drift["snr"],
        "logit_mse": drift["logit_mse"],
        "agreement": drift.get("agreement"),
        "samples": samples,
    }
