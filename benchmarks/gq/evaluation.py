"""One evaluation for every toolchain: the output of a network against that of the float network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 15

Inputs = NDArray[Any]
Logits = NDArray[np.float32]
Model = Callable[[Inputs], Logits]


@dataclass(frozen=True, slots=True)
class Figures:
    """How near a network is to its float form, and how good. A row is an image or a token; logits are its output.

    Attributes:
        top1: share of right arg-maxes, %; NaN where there are no classes, as `agree`, `ece` and `perplexity`.
        mse: mean over rows of the squared L2 distance between its logits and the float logits.
        mse_after_gain: the same after its logits were multiplied by the one factor that makes it smallest.
        snr_db: 10 log10 of the sum of squared float logits over that of squared differences; infinite where none is.
        agree: share of rows with the arg-max of the float model, %.
        ece: expected calibration error, % (Guo et al. 2017, arXiv:1706.04599, section 2), 15 bins of equal width.
        perplexity: exp of the mean negative log-likelihood of the right class.
    """

    top1: float
    mse: float
    mse_after_gain: float
    snr_db: float
    agree: float
    ece: float
    perplexity: float


def logits_of(model: Model, inputs: Inputs, batch: int = 250) -> Logits:
    """The output of inputs [n, ...], `batch` at once; the last batch may be smaller."""
    return np.concatenate([model(inputs[start : start + batch]) for start in range(0, len(inputs), batch)])


def evaluate(output: Logits, reference: Logits, labels: NDArray[np.int64] | None) -> Figures:
    """The figures of a network.

    Args:
        output: its logits [rows, classes].
        reference: those of the float network.
        labels: [rows]; None where there are no classes.
    """
    logits, wanted = output.astype(np.float64), reference.astype(np.float64)
    count = len(logits)
    error = float(np.square(logits - wanted).sum())
    power, own = float(np.square(wanted).sum()), float(np.square(logits).sum())
    gain = float((logits * wanted).sum()) / own if own else 1.0
    has_classes = labels is not None
    return Figures(
        top1=100 * float((logits.argmax(1) == labels).mean()) if has_classes else math.nan,
        mse=error / count,
        mse_after_gain=float(np.square(gain * logits - wanted).sum()) / count,
        snr_db=10 * math.log10(power / error) if error and power else math.inf,
        agree=100 * float((logits.argmax(1) == wanted.argmax(1)).mean()) if has_classes else math.nan,
        ece=100 * _calibration_error(logits, labels) if labels is not None else math.nan,
        perplexity=_perplexity(logits, labels) if labels is not None else math.nan,
    )


def _perplexity(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    likelihood = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(1))
    return math.exp(-float(likelihood.mean()))


def _calibration_error(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    sure = (shifted / shifted.sum(1, keepdims=True)).max(1)
    right = logits.argmax(1) == labels
    place = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    gaps = [abs(float((sure[place == index] - right[place == index]).sum())) for index in range(_BINS)]
    return math.fsum(gaps) / len(labels)
