"""Times of kernels over repeated runs."""

from collections.abc import Sequence

import numpy as np

_KEPT = 0.9


def trimmed_mean(times: Sequence[float]) -> float:
    """Mean of the shortest nine tenths: a run in which the process was interrupted does not count.

    A median would be 0 or 1 for kernels that are shorter than the tick of their runtime's clock.
    """
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    return float(ordered[: max(1, int(len(ordered) * _KEPT))].mean())
