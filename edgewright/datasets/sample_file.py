"""A sample that stays in its file: memory holds a piece of it, however many samples there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.datasets.sample import LABEL, ROW_DIGEST, WRONG_DIGEST, Field, content_digest, opened
from edgewright.errors import InputError

_PIECE_BYTES = 1 << 20
_DIGESTS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class SampleFile:
    """What `Sample.save` wrote, read piece by piece as often as wanted.

    Attributes:
        path: the file.
        fields: shape and dtype of one sample's part of each input.
        count: samples that are read, from the first.
    """

    path: Path
    fields: Mapping[str, Field]
    count: int

    @staticmethod
    def open(path: Path) -> "SampleFile":
        """The sample in a file, read once through to check it.

        Raises:
            InputError: the file is missing, is no parquet, was not written by Edgewright, or its content does not
                have the digest that it states.
        """
        with opened(path) as (file, described):
            inputs = described["inputs"]
            # The columns stand in the order of the forward pass.
            fields = {
                name: Field(tuple(inputs[name]["shape"]), inputs[name]["dtype"])
                for name in file.schema_arrow.names if name in inputs
            }
            found = SampleFile(path, fields, file.metadata.num_rows)
            labels = (piece.tobytes() for piece in found._column(LABEL)) if LABEL in file.schema_arrow.names else None
            digest = content_digest(
                fields, len(found), {name: (piece.tobytes() for piece in found._column(name)) for name in fields},
                labels, found._row_digests(), described["synthetic"],
            )  # fmt: skip
        if digest != described["digest"]:
            raise InputError(f"{path}: {WRONG_DIGEST}")
        return found

    def __len__(self) -> int:
        return self.count

    def head(self, count: int) -> "SampleFile":
        """The first `count` samples, or all where there are fewer."""
        return replace(self, count=min(count, self.count))

    def batches(self, size: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Inputs in order, `size` samples at a time; the last batch may be smaller.

        Raises:
            InputError: the file is gone, or can no longer be read.
        """
        held: list[tuple[NDArray[Any], ...]] = []
        left = self.count
        for piece in self._pieces():
            start = 0
            # What the last piece had too little of for a batch comes first.
            while start < len(piece[0]) and left:
                wanted = min(size, left) - sum(len(part[0]) for part in held)
                part = tuple(array[start : start + wanted] for array in piece)
                held.append(part)
                start += len(part[0])
                if len(part[0]) == wanted:
                    left -= min(size, left)
                    yield held[0] if len(held) == 1 else tuple(map(np.concatenate, zip(*held, strict=True)))
                    held = []
            if not left:
                return

    def _pieces(self) -> Iterator[tuple[NDArray[Any], ...]]:
        with opened(self.path) as (file, _):
            for batch in self._read(file, tuple(self.fields)):
                # A copy, because torch.from_numpy warns of arrays that it cannot write to.
                yield tuple(
                    np.asarray(batch[name].flatten()).reshape(len(batch), *field.shape).copy()
                    for name, field in self.fields.items()
                )

    def _column(self, name: str) -> Iterator[NDArray[Any]]:
        with opened(self.path) as (file, _):
            for batch in self._read(file, (name,)):
                yield np.asarray(batch[name].flatten() if name in self.fields else batch[name])

    def _row_digests(self) -> Iterator[list[str]]:
        with opened(self.path) as (file, _):
            for batch in file.iter_batches(_DIGESTS_AT_ONCE, columns=[ROW_DIGEST], use_threads=False):
                yield from batch[ROW_DIGEST].to_pylist()

    def _read(self, file: Any, names: tuple[str, ...]) -> Iterator[Any]:
        sizes = (np.dtype(field.dtype).itemsize * int(np.prod(field.shape)) for field in self.fields.values())
        rows = max(_PIECE_BYTES // max(sum(sizes), 1), 1)
        return iter(file.iter_batches(rows, columns=list(names), use_threads=False))
