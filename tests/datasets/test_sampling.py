import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from edgewright.config import DataSource
from edgewright.datasets import Sample, draw
from edgewright.errors import ConfigError, InputError
from edgewright.models.spec import InputSpec, ModelSpec
from tests.support import ROOT, SAMPLES

_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_ENGLISH = SAMPLES / "models/english_llama"
_CLASSIFIER = ModelSpec(
    "factory", "image-classification", (InputSpec("x", (3, 32, 32), "float32"),), 0, labels=_LABELS,
    preprocess={"resize": [32, 32], "scale": 1.0, "mean": [0.0], "std": [1.0]},
)
_REGRESSION = ModelSpec("factory", "regression", (InputSpec("x", (2, 3), "float32"),), 0)


def _language(sequence: int = 256) -> ModelSpec:
    inputs = (InputSpec("input_ids", (sequence,), "int64"),)
    return ModelSpec("huggingface", "language-modeling", inputs, 0, vocabulary=2048)


def _data(source, **fields) -> DataSource:
    return DataSource(source=str(source), **fields)


def _shipped(name, **fields) -> DataSource:
    return _data(f"data/samples/{name}.parquet", **fields)


def _numbers(path, rows) -> DataSource:
    pq.write_table(pa.table({"x": rows}), path)
    return _data(path.name, columns={"input": "x"})


def test_shipped_language_samples():
    holdout = draw(_shipped("english_eval"), _ENGLISH, _language(), workspace=ROOT)
    assert holdout.facts["tokens"] == 175_366
    assert holdout.sample.inputs["input_ids"].shape == (685, 256)
    assert holdout.sample.inputs["input_ids"].dtype == np.int64
    calibration = draw(
        _shipped("english_calib", samples=128), _ENGLISH, _language(), exclude=holdout.sample, workspace=ROOT)
    assert calibration.sample.inputs["input_ids"].shape == (128, 256)
    assert not calibration.sample.source_digests & holdout.sample.source_digests


def test_shipped_image_samples():
    holdout = draw(_shipped("cifar10_test"), ROOT, _CLASSIFIER, workspace=ROOT, labelled=True).sample
    assert holdout.inputs["x"].shape == (2500, 3, 32, 32)
    assert np.bincount(holdout.labels).tolist() == [250] * 10
    row = pq.read_table(SAMPLES / "cifar10_test.parquet").slice(7, 1).to_pylist()[0]
    pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))
    np.testing.assert_array_equal(holdout.inputs["x"][7], pixels.transpose(2, 0, 1))
    assert holdout.labels[7] == row["label"]


def test_choice_is_seeded_and_keeps_rows_and_labels_together():
    everything, first, again, other = (
        draw(_shipped("cifar10_calib", samples=samples, seed=seed), ROOT, _CLASSIFIER, workspace=ROOT).sample
        for samples, seed in ((None, 0), (50, 1), (50, 1), (50, 2))
    )
    assert first.digest == again.digest != other.digest
    position = {digests: index for index, digests in enumerate(everything.row_digests)}
    at = [position[digests] for digests in first.row_digests]
    assert len(set(at)) == 50
    assert at != sorted(at)
    np.testing.assert_array_equal(first.inputs["x"], everything.inputs["x"][at])
    np.testing.assert_array_equal(first.labels, everything.labels[at])


def _english_sample(folder):
    drawn = draw(_shipped("english_calib", samples=16), _ENGLISH, _language(64), workspace=ROOT)
    drawn.write(folder)


def test_sample_does_not_depend_on_hash_seed_or_threads(tmp_path):
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, '.')\n"
        "from tests.datasets.test_sampling import _english_sample\n"
        "_english_sample(Path(sys.argv[1]))"
    )
    other = tmp_path / "other"
    other.mkdir()
    variables = os.environ | {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "true"}
    subprocess.run([sys.executable, "-c", script, str(other)], check=True, cwd=ROOT, env=variables)
    _english_sample(tmp_path)
    for name in ("sample.parquet", "validation.json"):
        assert (tmp_path / name).read_bytes() == (other / name).read_bytes()


def test_calibration_leaves_out_rows_of_the_holdout():
    holdout = draw(_shipped("cifar10_calib", samples=100, seed=3), ROOT, _CLASSIFIER, workspace=ROOT).sample
    rest = draw(_shipped("cifar10_calib"), ROOT, _CLASSIFIER, exclude=holdout, workspace=ROOT)
    assert len(rest.sample) == 400
    assert rest.facts["rows_in_holdout"] == 100
    assert not rest.sample.source_digests & holdout.source_digests
    with pytest.raises(InputError, match=r"400 rows after 100 rows that are in the holdout are left out, 401"):
        draw(_shipped("cifar10_calib", samples=401), ROOT, _CLASSIFIER, exclude=holdout, workspace=ROOT)


def test_near_duplicate_documents_of_the_holdout_are_left_out(tmp_path):
    documents = [f"document number {number} says something of its own " * 4 for number in range(8)]
    pq.write_table(pa.table({"text": documents[:4]}), tmp_path / "holdout.parquet")
    pq.write_table(pa.table({"text": [documents[1].upper(), *documents[3:]]}), tmp_path / "calib.parquet")
    holdout = draw(_data("holdout.parquet"), _ENGLISH, _language(16), workspace=tmp_path).sample
    calibration = draw(_data("calib.parquet"), _ENGLISH, _language(16), exclude=holdout, workspace=tmp_path)
    assert calibration.facts["rows_in_holdout"] == 2
    assert not calibration.sample.source_digests & holdout.source_digests


def test_windows_name_the_documents_they_cover(tmp_path):
    pq.write_table(pa.table({"text": ["one two three four", " \n", "five six seven eight nine ten", "eleven"]}),
                   tmp_path / "d.parquet")
    drawn = draw(_data("d.parquet"), _ENGLISH, _language(8), workspace=tmp_path)
    assert drawn.facts["rows"] == 3
    assert len(drawn.sample.row_digests) == len(drawn.sample) == drawn.facts["tokens"] // 8
    assert len(drawn.sample.source_digests) in (2, 3)
    assert any(len(digests) > 1 for digests in drawn.sample.row_digests)


def test_too_few_windows():
    with pytest.raises(InputError, match=r"^data/samples/english_eval\.parquet: 685 windows of 256 tokens, 700 asked"):
        draw(_shipped("english_eval", samples=700), _ENGLISH, _language(), workspace=ROOT)


def test_nan_is_named_with_column_row_and_rule(tmp_path):
    rows = np.random.default_rng(0).standard_normal((10, 6))
    rows[4, 2] = rows[7, 0] = np.nan
    with pytest.raises(InputError) as caught:
        draw(_numbers(tmp_path / "d.parquet", rows.tolist()), tmp_path, _REGRESSION, workspace=tmp_path)
    assert str(caught.value) == (
        "d.parquet: column 'x': 2 of 10 rows break the rule 'finite': expected 0 NaN or infinite values in a row,"
        " found 1 (first in row 4, 7)"
    )
    assert caught.value.exit_code == 3


def test_nulls_in_text_and_numbers(tmp_path):
    pq.write_table(pa.table({"text": ["one two three " * 9, None, None]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'text': 2 of 3 rows break the rule 'not null'.*row 1, 2"):
        draw(_data("t.parquet"), _ENGLISH, _language(8), workspace=tmp_path)
    with pytest.raises(InputError, match=r"column 'x': 1 of 2 rows break the rule 'not null'"):
        draw(_numbers(tmp_path / "n.parquet", [[1.0] * 6, None]), tmp_path, _REGRESSION, workspace=tmp_path)


def test_wrong_shape_and_wrong_type(tmp_path):
    with pytest.raises(InputError, match=r"rule 'shape'.* 2 x 3 .*found 5 values"):
        draw(_numbers(tmp_path / "a.parquet", [[1.0] * 6, [1.0] * 5]), tmp_path, _REGRESSION, workspace=tmp_path)
    with pytest.raises(InputError, match=r"column 'x': 2 of 2 rows break the rule 'schema': .*found text"):
        draw(_numbers(tmp_path / "b.parquet", ["a", "b"]), tmp_path, _REGRESSION, workspace=tmp_path)
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"column 'text': .*'schema': expected text, found numbers"):
        draw(_data("c.parquet"), _ENGLISH, _language(8), workspace=tmp_path)
    pq.write_table(pa.table({"image": [[1, 2]]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r"column 'image': .*'schema': .*found lists of numbers"):
        draw(_data("d.parquet"), tmp_path, _CLASSIFIER, workspace=tmp_path)
    labels = pa.array([["cat"]])
    images = pq.read_table(SAMPLES / "cifar10_calib.parquet").slice(0, 1).select(["image"])
    pq.write_table(images.replace_schema_metadata({}).append_column("label", labels), tmp_path / "e.parquet")
    with pytest.raises(InputError, match=r"column 'label': .*'schema': .*found list<"):
        draw(_data("e.parquet"), tmp_path, _CLASSIFIER, workspace=tmp_path)


def test_values_outside_of_the_declared_range(tmp_path):
    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (10, 6))
    rows[0, 0], rows[1, 1] = -1.0, 1.0
    spec = replace(_REGRESSION, preprocess={"scale": 3.0, "mean": [0.1], "std": [-0.7]})
    data = _numbers(tmp_path / "d.parquet", rows.tolist()).model_copy(update={"range": (-1.0, 1.0)})
    ranges = [
        item for item in draw(data, tmp_path, spec, workspace=tmp_path).expectations if item["rule"] == "range"
    ]
    assert [item["success"] for item in ranges] == [True, True]
    rows[4, 2] = 1.01
    _numbers(tmp_path / "d.parquet", rows.tolist())
    with pytest.raises(InputError, match=r"column 'x': 1 of 10 rows break the rule 'range': .* \(first in row 4\)"):
        draw(data, tmp_path, spec, workspace=tmp_path)


def test_images_keep_the_range_of_their_preprocessing(tmp_path):
    spec = replace(_CLASSIFIER, preprocess={"scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]})
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pixels[0, 0], pixels[0, 1] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    records = draw(_data("a.png"), tmp_path, spec, workspace=tmp_path).expectations
    ranges = [item for item in records if item["rule"] == "range"]
    assert [item["success"] for item in ranges] == [True, True]
    assert ranges[0]["expected"] == "values from -2.4 to 3 after preprocessing"


def test_image_folder_with_labels_by_name(tmp_path):
    for name in ("truck", "cat"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/{name}/a.jpg")
    sample = draw(_data("pictures"), tmp_path, _CLASSIFIER, workspace=tmp_path, labelled=True).sample
    assert sample.labels.tolist() == [3, 9]
    assert sample.inputs["x"].shape == (2, 3, 32, 32)
    (tmp_path / "pictures/zebra").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "pictures/zebra/a.png")
    with pytest.raises(InputError, match=r"column 'label': 1 of 3 rows break the rule 'label set'.*found zebra"):
        draw(_data("pictures"), tmp_path, _CLASSIFIER, workspace=tmp_path)


def test_label_column_is_wanted_for_a_holdout_only(tmp_path):
    images = pq.read_table(SAMPLES / "cifar10_calib.parquet").slice(0, 4).select(["image"])
    pq.write_table(images.replace_schema_metadata({}), tmp_path / "d.parquet")
    assert draw(_data("d.parquet"), tmp_path, _CLASSIFIER, workspace=tmp_path).sample.labels is None
    with pytest.raises(InputError, match=r"no column 'label'"):
        draw(_data("d.parquet"), tmp_path, _CLASSIFIER, workspace=tmp_path, labelled=True)


def test_synthetic_is_marked_and_apart_from_its_holdout(tmp_path):
    data = DataSource(synthetic={"mean": -10.0, "std": 5.0}, samples=20, seed=1)
    holdout, again = (draw(data, tmp_path, _REGRESSION, workspace=tmp_path) for _ in range(2))
    assert holdout.sample.synthetic
    assert holdout.sample.inputs["x"].shape == (20, 2, 3)
    assert holdout.sample.digest == again.sample.digest
    other = DataSource(synthetic={}, samples=20, seed=2)
    assert len(draw(other, tmp_path, _REGRESSION, exclude=holdout.sample, workspace=tmp_path).sample) == 20
    same = DataSource(synthetic={"mean": -10.0, "std": 5.0}, samples=10, seed=1)
    with pytest.raises(InputError, match=r"another seed"):
        draw(same, tmp_path, _REGRESSION, exclude=holdout.sample, workspace=tmp_path)


def test_model_with_two_inputs_takes_no_columns(tmp_path):
    two = ModelSpec("factory", "regression", (InputSpec("a", (2,), "float32"), InputSpec("b", (2,), "float32")), 0)
    with pytest.raises(ConfigError, match=r"inputs a, b"):
        draw(_data("d.parquet"), tmp_path, two, workspace=tmp_path)


def test_validation_file_says_what_was_drawn(tmp_path):
    drawn = draw(_shipped("cifar10_calib", samples=20), ROOT, _CLASSIFIER, workspace=ROOT)
    drawn.write(tmp_path)
    written = json.loads((tmp_path / "validation.json").read_text())
    assert written["digest"] == drawn.sample.digest == Sample.load(tmp_path / "sample.parquet").digest
    assert written["samples"] == written["rows"] == 20
    assert all(record["success"] for record in written["expectations"])
    assert str(ROOT) not in (tmp_path / "validation.json").read_text()


@pytest.mark.parametrize(("data", "folder", "spec"), [
    (_shipped("cifar10_calib", samples=40, search=20), ROOT, _CLASSIFIER),
    (_shipped("english_calib", samples=8, search=4), _ENGLISH, _language()),
])
def test_rows_of_a_search_are_apart_from_the_sample_and_the_holdout(data, folder, spec, tmp_path):
    drawn = draw(data, folder, spec, workspace=ROOT)
    drawn.write(tmp_path)
    sample, search = (Sample.load(tmp_path / f"{name}.parquet") for name in ("sample", "search"))
    assert (len(sample), len(search)) == (data.samples, data.search)
    (name, values), = sample.inputs.items()
    rows = {row.tobytes() for row in values}
    assert not rows & {row.tobytes() for row in search.inputs[name]}
    assert drawn.facts["search"] == {"samples": data.search, "digest": search.digest}
    excluded = draw(data, folder, spec, exclude=search, workspace=ROOT)
    assert not excluded.search.source_digests & search.source_digests


def test_rows_of_a_search_need_a_bound_on_the_sample():
    with pytest.raises(ValueError, match="search: N goes with samples: N"):
        _shipped("cifar10_calib", search=20)
