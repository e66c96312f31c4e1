"""One evaluation for every toolchain: any function from images to logits, against the float model's logits."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BATCH = 250
"""Images that a function gets at once."""

_BINS = 15

Images = NDArray[np.float32]
Logits = NDArray[np.float32]
Model = Callable[[Images], Logits]


@dataclass(frozen=True, slots=True)
class Figures:
    """How near a model is to its float form, and how good.

    Attributes:
        top1: share of right arg-maxes, %.
        mse: mean over images of the squared L2 distance between its logits and the float logits.
        mse_after_gain: the same after its logits were multiplied by the one factor that makes it smallest.
        snr_db: 10 log10 of the sum of squared float logits over that of squared differences; infinite where none is.
        agree: share of images with the arg-max of the float model, %.
        ece: expected calibration error, % (Guo et al. 2017, arXiv:1706.04599, section 2), 15 bins of equal width.
    """

    top1: float
    mse: float
    mse_after_gain: float
    snr_db: float
    agree: float
    ece: float


def logits_of(model: Model, images: Images) -> Logits:
    """The logits [n, classes] of images [n, ...], batch by batch; the last may be smaller."""
    return np.concatenate([model(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def evaluate(model: Model, reference: Logits, images: Images, labels: NDArray[np.int64]) -> Figures:
    """The figures of a model.

    Args:
        model: from images [n, ...] to logits [n, classes].
        reference: logits of the float model for all images.
        images: preprocessed as the model wants them.
        labels: [n].
    """
    logits, wanted = logits_of(model, images).astype(np.float64), reference.astype(np.float64)
    count = len(images)
    error = float(np.square(logits - wanted).sum())
    power, own = float(np.square(wanted).sum()), float(np.square(logits).sum())
    gain = float((logits * wanted).sum()) / own if own else 1.0
    return Figures(
        top1=100 * float((logits.argmax(1) == labels).mean()),
        mse=error / count,
        mse_after_gain=float(np.square(gain * logits - wanted).sum()) / count,
        snr_db=10 * math.log10(power / error) if error and power else math.inf,
        agree=100 * float((logits.argmax(1) == wanted.argmax(1)).mean()),
        ece=100 * _calibration_error(logits, labels),
    )


def _calibration_error(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    sure = (shifted / shifted.sum(1, keepdims=True)).max(1)
    right = logits.argmax(1) == labels
    place = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    gaps = [abs(float((sure[place == index] - right[place == index]).sum())) for index in range(_BINS)]
    return math.fsum(gaps) / len(labels)
