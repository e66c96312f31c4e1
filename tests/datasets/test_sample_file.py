import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgewright.datasets import Sample, SampleFile
from edgewright.errors import InputError


def saved(path, rows=300, labelled=True):
    generator = np.random.default_rng(0)
    sample = Sample(
        # Rows of 24 kB, so that a piece holds some forty of them; names out of alphabetical order.
        {"x": generator.standard_normal((rows, 3, 40, 50), np.float32), "ids": generator.integers(0, 9, (rows, 6))},
        labels=np.arange(rows) if labelled else None,
        row_digests=tuple((f"{row:064x}", f"{row + 1:064x}")[: 1 + row % 2] for row in range(rows)),
    )  # fmt: skip
    sample.save(path)
    return sample


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("rows", [1, 300])
def test_batches_are_those_of_the_sample_in_memory(tmp_path, size, rows):
    sample = saved(tmp_path / "s.parquet", rows)
    streamed = SampleFile.open(tmp_path / "s.parquet")
    assert (len(streamed), streamed.fields, list(streamed.fields)) == (rows, sample.fields, ["x", "ids"])
    for found in (streamed, streamed.head(90), streamed.head(5000)):
        expected = list(sample.head(len(found)).batches(size))
        batches = list(found.batches(size))
        assert [len(batch[0]) for batch in batches] == [len(batch[0]) for batch in expected]
        for batch, other in zip(batches, expected, strict=True):
            for array, wanted in zip(batch, other, strict=True):
                np.testing.assert_array_equal(array, wanted)
                assert array.flags.writeable


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_sample_of_any_kind_is_checked(tmp_path, labelled, rows):
    saved(tmp_path / "s.parquet", rows, labelled)
    assert len(SampleFile.open(tmp_path / "s.parquet")) == rows


@pytest.mark.parametrize("column", ["x", "ids", "label", "row_digest"])
def test_other_content_than_the_digest_says_is_refused(tmp_path, column):
    saved(tmp_path / "s.parquet", 20)
    table = pq.read_table(tmp_path / "s.parquet")
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, table[column].take(list(range(19, -1, -1)))), tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet: the content has not the digest"):
        SampleFile.open(tmp_path / "s.parquet")


def test_what_is_no_sample_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such sample"):
        SampleFile.open(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(InputError, match=r"text\.parquet: not a readable parquet file"):
        SampleFile.open(tmp_path / "text.parquet")
    saved(tmp_path / "s.parquet", 5)
    content = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[:1000] + b"\\0" * 2000 + content[3000:])
    with pytest.raises(InputError, match=r"cut\.parquet: (not a readable parquet file|the content)"):
        SampleFile.open(tmp_path / "cut.parquet")


def test_it_is_the_same_every_time(tmp_path):
    saved(tmp_path / "s.parquet")
    streamed = SampleFile.open(tmp_path / "s.parquet")
    first, second = (next(iter(streamed.batches(3))) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert dataclasses.replace(streamed) == streamed
