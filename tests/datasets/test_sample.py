import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgewright.datasets.sample import Sample
from edgewright.errors import InputError
from edgewright.files import sha256_file


def _sample(rows: int = 7) -> Sample:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, 3, 4, 5)).astype(np.float32)
    return Sample(
        {"x": x, "ids": generator.integers(0, 99, (rows, 6))},
        labels=np.arange(rows) % 3, row_digests=tuple((f"{row:064x}", f"{row + 1:064x}") for row in range(rows)),
    )


def test_save_and_load_keep_everything(tmp_path):
    sample = _sample()
    sample.save(tmp_path / "sample.parquet")
    loaded = Sample.load(tmp_path / "sample.parquet")
    assert list(loaded.inputs) == ["x", "ids"]
    for name, array in sample.inputs.items():
        assert loaded.inputs[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.inputs[name], array)
        assert loaded.inputs[name].flags.writeable
    np.testing.assert_array_equal(loaded.labels, sample.labels)
    assert (loaded.digest, loaded.row_digests, loaded.synthetic) == (sample.digest, sample.row_digests, False)


def test_values_that_are_no_numbers_survive(tmp_path):
    values = np.array([[np.nan, -0.0, np.inf, -np.inf, 1e-45]], dtype=np.float32)
    Sample({"x": values}).save(tmp_path / "s.parquet")
    assert Sample.load(tmp_path / "s.parquet").inputs["x"].tobytes() == values.tobytes()


def test_equal_samples_are_equal_bytes(tmp_path):
    _sample().save(tmp_path / "a.parquet")
    _sample().save(tmp_path / "b.parquet")
    script = (
        "import sys; from pathlib import Path; from edgewright.datasets.sample import Sample;"
        "Sample.load(Path(sys.argv[1])).save(Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.parquet"), str(tmp_path / "c.parquet")],
                   check=True, env={"PYTHONPATH": ".", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"})
    assert len({sha256_file(tmp_path / name) for name in ("a.parquet", "b.parquet", "c.parquet")}) == 1


def test_file_is_plain_parquet_that_describes_itself(tmp_path):
    sample = _sample()
    sample.save(tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["x", "ids", "label", "row_digest"]
    assert set(table.schema.metadata) == {b"edgewright"}
    described = json.loads(table.schema.metadata[b"edgewright"])
    assert described["inputs"] == {
        "x": {"shape": [3, 4, 5], "dtype": "float32"}, "ids": {"shape": [6], "dtype": "int64"},
    }
    assert described["digest"] == sample.digest


def test_digest_sees_values_labels_and_shape():
    base = Sample({"x": np.zeros((2, 4), np.float32)}, labels=np.array([0, 1]))
    others = [
        Sample({"x": np.ones((2, 4), np.float32)}, labels=np.array([0, 1])),
        Sample({"x": np.zeros((2, 4), np.float32)}, labels=np.array([1, 1])),
        Sample({"x": np.zeros((2, 2, 2), np.float32)}, labels=np.array([0, 1])),
        Sample({"y": np.zeros((2, 4), np.float32)}, labels=np.array([0, 1])),
        Sample({"x": np.zeros((2, 4), np.float32)}),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 6


def test_head_and_batches():
    sample = _sample()
    head = sample.head(3)
    assert len(head) == 3
    assert len(head.row_digests) == len(head.labels) == 3
    assert head.digest != sample.digest
    assert len(sample.head(100)) == 7
    batches = list(sample.batches(3))
    assert [len(batch[0]) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), sample.inputs["ids"])


def test_source_digests_is_the_union():
    assert _sample(2).source_digests == {f"{row:064x}" for row in range(3)}


def test_load_refuses_what_is_no_sample(tmp_path):
    with pytest.raises(InputError, match=r"no such sample"):
        Sample.load(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(InputError, match=r"text\.parquet: not a readable parquet file") as caught:
        Sample.load(tmp_path / "text.parquet")
    assert "\n" not in str(caught.value)
    _sample().save(tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "bare.parquet")
    with pytest.raises(InputError, match=r"not a sample"):
        Sample.load(tmp_path / "bare.parquet")
    changed = table.set_column(2, "label", [np.zeros(7, np.int64)])
    pq.write_table(changed, tmp_path / "changed.parquet")
    with pytest.raises(InputError, match=r"digest"):
        Sample.load(tmp_path / "changed.parquet")
