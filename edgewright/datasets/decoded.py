"""Rows of a dataset as arrays, with what the expectations look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows turned into model inputs; a row that cannot be turned into one is NaN here and its shape says why.

    Attributes:
        values: float32 [n, *shape].
        digests: digest of each row's content, None for a null.
        shapes: shape of each row's content before it was made to fit, `unreadable` for content that does
            not decode, None for a null.
    """

    values: NDArray[np.float32]
    digests: list[str | None]
    shapes: list[str | None]

    def take(self, rows: Sequence[int]) -> "Decoded":
        """Some of the rows."""
        return Decoded(self.values[rows], [self.digests[row] for row in rows], [self.shapes[row] for row in rows])

    @staticmethod
    def concatenate(parts: Sequence["Decoded"]) -> "Decoded":
        """Rows of all parts in order."""
        return Decoded(
            np.concatenate([part.values for part in parts]),
            [digest for part in parts for digest in part.digests],
            [shape for part in parts for shape in part.shapes],
        )

    def observations(self) -> dict[str, NDArray[Any]]:
        """What the expectations look at, an entry a row.

        row_digest; shape; not_finite, the number of values that are NaN or infinite; minimum, maximum and spread of
        the finite values. The last four are null where the content has no right shape.
        """
        flat = self.values.reshape(len(self.values), -1)
        present = np.array([shape is not None and shape == shape_text(self.values.shape[1:]) for shape in self.shapes])
        finite = np.isfinite(flat)
        any_finite = finite.any(axis=1)
        minimum = np.where(any_finite, np.where(finite, flat, np.inf).min(axis=1), np.nan)
        maximum = np.where(any_finite, np.where(finite, flat, -np.inf).max(axis=1), np.nan)
        return {
            "row_digest": np.array(self.digests, dtype=object),
            "shape": np.array(self.shapes, dtype=object),
            "not_finite": np.where(present, (~finite).sum(axis=1), np.nan),
            "minimum": minimum, "maximum": maximum, "spread": maximum.astype(np.float64) - minimum,
        }


def shape_text(shape: tuple[int, ...]) -> str:
    """`3 x 32 x 32`."""
    return " x ".join(str(size) for size in shape)
