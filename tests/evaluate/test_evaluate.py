import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgewright.datasets import Sample
from edgewright.errors import InputError
from edgewright.evaluate import evaluate

Run = Callable[[tuple[np.ndarray, ...]], np.ndarray]
WEIGHTS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def classify(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
    return inputs[0] @ WEIGHTS


def coarse(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
    return inputs[0] @ np.round(WEIGHTS, 1)


def images(count: int = 50, labelled: bool = True, synthetic: bool = False) -> Sample:
    x = np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)
    labels = classify((x,)).argmax(1) if labelled else None
    return Sample({"x": x}, labels, synthetic=synthetic)


def run(run: Run, sample: Sample, task: str, reference: Run | None, batch: int = 8, drift: int = 3) -> dict[str, Any]:
    return evaluate(
        run, sample, task, reference=reference, batch=batch, drift_samples=drift, runtime="pytorch", size_bytes=7
    )


def test_classifier_has_every_metric_and_drift_on_every_sample() -> None:
    found = run(coarse, images(), "image-classification", classify)
    assert found["metric"]["name"] == "top1"
    assert found["metric"]["samples"] == found["drift"]["samples"] == 50
    assert found["metric"]["reference"] == 100.0
    assert set(found["metrics"]) == {"top1", "top5", "ece", "brier"}
    assert found["interval"]["difference"] == pytest.approx(found["metric"]["value"] - 100.0)
    assert found["drift"]["agreement"] == found["metric"]["value"]
    assert (found["runtime"], found["size_bytes"], found["synthetic"]) == ("pytorch", 7, False)


def test_batch_size_does_not_change_the_figures() -> None:
    one, all_at_once = (run(coarse, images(), "image-classification", classify, batch=b) for b in (1, 50))
    assert one["drift"]["logit_mse"] == pytest.approx(all_at_once["drift"]["logit_mse"])
    assert one["metric"] == all_at_once["metric"]


def test_float_model_has_no_drift_and_equal_logits_have_no_snr() -> None:
    assert run(classify, images(), "image-classification", None)["drift"] is None
    assert run(classify, images(), "image-classification", None)["interval"] is None
    same = run(classify, images(), "image-classification", classify)["drift"]
    assert same == {"snr_db": None, "logit_mse": 0.0, "agreement": 100.0, "samples": 50}


def test_regression_without_labels_is_judged_by_its_drift() -> None:
    found = run(coarse, images(labelled=False, synthetic=True), "regression", classify)
    assert found["metric"]["name"] == "logit_mse"
    assert found["metric"]["value"] == found["drift"]["logit_mse"] > 0
    assert found["metric"]["reference"] == 0.0
    assert found["synthetic"] is True
    assert found["metrics"] == {}
    assert found["drift"]["agreement"] is None
    assert run(classify, images(labelled=False), "regression", None)["metric"]["value"] == 0.0


def test_language_model_drifts_on_the_first_windows_and_is_never_held_whole() -> None:
    tokens = np.random.default_rng(2).integers(0, 5, (10, 6))
    seen: list[int] = []

    def uniform(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.zeros((*inputs[0].shape, 5), np.float32)

    def reference(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        seen.append(len(inputs[0]))
        return uniform(inputs) + 1

    found = run(uniform, Sample({"input_ids": tokens}), "language-modeling", reference, batch=2, drift=3)
    assert found["metric"] == {
        "name": "perplexity",
        "value": pytest.approx(5.0),
        "samples": 10,
        "reference": None,
    }
    assert found["drift"]["samples"] == 3
    assert found["drift"]["logit_mse"] == pytest.approx(5.0)
    assert sum(seen) == 4
    assert found["interval"] is None


def test_what_a_runtime_gives_is_checked() -> None:
    def broken(inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        logits = classify(inputs).copy()
        logits[inputs[0][:, 0] == x[13, 0]] = math.nan
        return logits

    x = images().inputs["x"]
    with pytest.raises(InputError, match="sample 13 hold NaN"):
        run(broken, images(), "image-classification", classify)
    with pytest.raises(InputError, match=r"shape \[1, 4\] for 8 samples"):
        run(lambda inputs: classify(inputs)[:1], images(), "image-classification", None)
    with pytest.raises(InputError, match="the float model gives"):
        run(lambda inputs: classify(inputs)[:, :3], images(), "image-classification", classify)


def test_samples_are_checked() -> None:
    with pytest.raises(InputError, match="no rows"):
        run(classify, images(0), "image-classification", None)
    with pytest.raises(InputError, match="needs a label"):
        run(classify, images(labelled=False), "image-classification", None)


def test_a_label_without_a_logit_is_named() -> None:
    sample = Sample(images().inputs, np.full(50, 4))
    with pytest.raises(InputError, match="sample 0 has label 4, the model gives 4 logits"):
        run(classify, sample, "image-classification", None)


def test_progress_counts_samples() -> None:
    steps: list[tuple[int, int, str]] = []
    evaluate(
        classify, images(20), "image-classification", reference=None, batch=8, drift_samples=1,
        runtime="pytorch", size_bytes=1, progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert steps == [(8, 20, "samples"), (16, 20, "samples"), (20, 20, "samples")]
