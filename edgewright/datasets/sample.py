"""A calibration or holdout sample: preprocessed model inputs in one parquet file of deterministic bytes."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError, first_line

FILE = "sample.parquet"
SEARCH_FILE = "search.parquet"
ROW_DIGEST = "row_digest"
LABEL = "label"
WRONG_DIGEST = "the content has not the digest that the file states; build it again"
_METADATA = b"edgewright"
_ROW_GROUP = 4096
_READ_BYTES = 1 << 20
_ZSTD_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One sample's part of an input: its shape, and its dtype by name."""

    shape: tuple[int, ...]
    dtype: str


class Samples(Protocol):
    """Samples that are read in order as often as wanted, held in memory or not."""

    def __len__(self) -> int:
        """How many samples there are."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The inputs of the model, in the order of its forward pass."""

    def head(self, count: int) -> "Samples":
        """The first `count` samples, or all where there are fewer."""

    def batches(self, size: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Inputs in order, `size` samples at a time; the last batch may be smaller."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Preprocessed inputs of a model, one entry of the leading dimension a sample.

    Attributes:
        inputs: array [N, *shape] of float32 or int64 for each input of the model, in the order of its forward pass.
        labels: int64 [N] class indices, or None where the data has none.
        digest: sha256 of inputs, labels and row digests; computed where it is not given.
        synthetic: whether the inputs are random numbers and not data.
        row_digests: for each sample the sha256 digests of the source rows it holds content of, one for an image
            or a vector, one or more for a window of tokens; digests of the inputs where they are not given.
    """

    inputs: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None = None
    digest: str = ""
    synthetic: bool = False
    row_digests: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.row_digests:
            rows = zip(*self.inputs.values(), strict=True)
            digests = (hashlib.sha256(b"".join(array.tobytes() for array in row)).hexdigest() for row in rows)
            object.__setattr__(self, "row_digests", tuple((digest,) for digest in digests))
        if not self.digest:
            object.__setattr__(self, "digest", self._content_digest())

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def fields(self) -> Mapping[str, Field]:
        """Shape and dtype of one sample's part of each input."""
        return {name: Field(tuple(array.shape[1:]), str(array.dtype)) for name, array in self.inputs.items()}

    @property
    def source_digests(self) -> frozenset[str]:
        """Digests of all source rows that the sample holds content of."""
        return frozenset(digest for digests in self.row_digests for digest in digests)

    def head(self, count: int) -> "Sample":
        """The first `count` samples, or all where there are fewer."""
        return self.part(slice(0, count))

    def part(self, at: slice) -> "Sample":
        """The samples of a slice."""
        return Sample(
            inputs={name: array[at] for name, array in self.inputs.items()},
            labels=None if self.labels is None else self.labels[at],
            synthetic=self.synthetic, row_digests=self.row_digests[at],
        )

    def batches(self, size: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Inputs in order, `size` samples at a time; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield tuple(array[start:start + size] for array in self.inputs.values())

    def save(self, path: Path) -> None:
        """Write the sample; equal samples are equal bytes (zstd, no dictionary, no pandas metadata)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, Any] = {}
        for name, array in self.inputs.items():
            width = int(np.prod(array.shape[1:], dtype=np.int64))
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), width)
        if self.labels is not None:
            columns[LABEL] = pa.array(self.labels)
        columns[ROW_DIGEST] = pa.array([list(digests) for digests in self.row_digests], pa.list_(pa.string()))
        table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(self._description(), sort_keys=True)})
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table, path, row_group_size=_ROW_GROUP, version="2.6", compression="zstd", compression_level=_ZSTD_LEVEL,
            use_dictionary=False, write_statistics=False, column_encoding={
                f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in self.inputs
            },
        )

    @staticmethod
    def load(path: Path) -> "Sample":
        """The sample in a file.

        Raises:
            InputError: the file is missing, is no parquet, was not written by Edgewright, or its content does not
                have the digest that it states.
        """
        with opened(path) as (file, described):
            table = file.read()
        sample = Sample(
            inputs={
                # A copy, because torch.from_numpy warns of arrays that it cannot write to.
                name: _values(table[name]).reshape(len(table), *described["inputs"][name]["shape"]).copy()
                for name in table.column_names if name in described["inputs"]
            },
            labels=table[LABEL].to_numpy() if LABEL in table.column_names else None,
            synthetic=described["synthetic"],
            row_digests=tuple(tuple(digests) for digests in table[ROW_DIGEST].to_pylist()),
        )
        if sample.digest != described["digest"]:
            raise InputError(f"{path}: {WRONG_DIGEST}")
        return sample

    def _description(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "inputs": {
                name: {"shape": list(field.shape), "dtype": field.dtype} for name, field in self.fields.items()
            },
            "synthetic": self.synthetic, "digest": self.digest,
        }

    def _content_digest(self) -> str:
        columns = {name: iter([array.tobytes()]) for name, array in self.inputs.items()}
        labels = None if self.labels is None else iter([self.labels.tobytes()])
        return content_digest(self.fields, len(self), columns, labels, self.row_digests, self.synthetic)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The parquet file of a sample, and what it says of itself.

    Raises:
        InputError: the file is missing, is no parquet (found here or while it is read), or was not written by
            Edgewright.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"{path}: no such sample")
    try:
        # Buffered, because otherwise all of a row group is read at once.
        with pq.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False) as file:
            metadata = file.schema_arrow.metadata or {}
            if _METADATA not in metadata:
                raise InputError(f"{path}: not a sample: the parquet metadata 'edgewright' is missing")
            yield file, json.loads(metadata[_METADATA])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable parquet file: {first_line(error)}") from error


def content_digest(
    fields: Mapping[str, Field],
    rows: int,
    columns: Mapping[str, Iterator[bytes]],
    labels: Iterator[bytes] | None,
    row_digests: Iterable[Sequence[str]],
    synthetic: bool,
) -> str:
    """sha256 of a sample's content, taken in pieces."""
    digest = hashlib.sha256()
    for name, field in fields.items():
        digest.update(f"{name} {field.dtype} {(rows, *field.shape)}\n".encode())
        for piece in columns[name]:
            digest.update(piece)
    if labels is not None:
        digest.update(b"label\n")
        for piece in labels:
            digest.update(piece)
    # As JSON of [row digests, synthetic], a row at a time.
    for index, digests in enumerate(row_digests):
        digest.update(("[[" if index == 0 else ", ").encode() + json.dumps(list(digests)).encode())
    digest.update(f"{']' if rows else '[[]'}, {json.dumps(synthetic)}]".encode())
    return digest.hexdigest()


def _values(column: Any) -> NDArray[Any]:
    combined = column.combine_chunks()
    return np.asarray(combined.flatten())
