import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from edgewright.config import DataSource
from edgewright.datasets import source
from edgewright.errors import ConfigError, InputError
from tests.support import SAMPLES


def _read(workspace, path, roles, optional=(), **fields):
    data = DataSource(source=str(path), **fields)
    with source.opened(data, roles, frozenset(optional), workspace) as rows:
        return rows.table.to_pylist(), rows


def test_parquet_with_declared_columns(tmp_path):
    pq.write_table(pa.table({"body": ["a", "b"], "other": [1, 2]}), tmp_path / "d.parquet")
    found, rows = _read(tmp_path, "d.parquet", {"text": "body"})
    assert found == [{"text": "a"}, {"text": "b"}]
    assert rows.columns == {"text": "body"}


def test_csv_and_tsv(tmp_path):
    (tmp_path / "d.csv").write_text("text,label\nhello,1\nworld,2\n")
    assert _read(tmp_path, "d.csv", {"text": "text", "label": "label"})[0][1] == {"text": "world", "label": 2}
    (tmp_path / "d.tsv").write_text("text\tn\nhello, you\t1\n")
    assert _read(tmp_path, "d.tsv", {"text": "text"})[0] == [{"text": "hello, you"}]


def test_text_file_is_paragraphs_and_text_folder_is_files(tmp_path):
    (tmp_path / "d.txt").write_text("one\nstill one\n\ntwo\n")
    assert [row["text"].strip() for row in _read(tmp_path, "d.txt", {"text": "text"})[0]] == ["one\nstill one", "two"]
    (tmp_path / "docs").mkdir()
    for name in ("b", "a", "c"):
        (tmp_path / f"docs/{name}.txt").write_text(f"{name}\n\n{name}")
    assert [row["text"] for row in _read(tmp_path, "docs", {"text": "text"})[0]] == ["a\n\na", "b\n\nb", "c\n\nc"]


def test_image_folder_takes_the_folder_names_as_labels(tmp_path):
    for name, colour in (("dog", 9), ("cat", 1), ("dog", 7)):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (colour, 0, 0)).save(folder / f"{colour}.png")
    found, rows = _read(tmp_path, "pictures", {"image": "image", "label": "label"})
    assert rows.label_names == ("cat", "dog")
    assert [row["label"] for row in found] == [0, 1, 1]
    assert [row["image"]["path"].rsplit("/", 1)[-1] for row in found] == ["1.png", "7.png", "9.png"]


def test_image_folder_without_classes_has_no_label(tmp_path):
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "flat/a.png")
    found, rows = _read(tmp_path, "flat", {"image": "image", "label": "label"}, optional={"label"})
    assert set(found[0]) == {"image"}
    assert "label" not in rows.columns


def test_label_names_of_the_shipped_images():
    data = DataSource(source="cifar10_calib.parquet")
    with source.opened(data, {"image": "image", "label": "label"}, frozenset(), SAMPLES) as rows:
        assert rows.label_names[:3] == ("airplane", "automobile", "bird")
        assert len(rows.table) == 500


@pytest.mark.parametrize(("damage", "expected"), [
    (lambda raw: raw[:4000], "not readable as parquet"),
    (lambda raw: b"hello", "not readable as parquet"),
    (lambda raw: raw[:2000] + bytes(300) + raw[2300:], "not readable as parquet"),
])
def test_corrupt_parquet_is_one_line(tmp_path, damage, expected):
    (tmp_path / "d.parquet").write_bytes(damage((SAMPLES / "english_eval.parquet").read_bytes()))
    with pytest.raises(InputError, match=expected) as caught:
        _read(tmp_path, "d.parquet", {"text": "text"})
    assert str(caught.value).startswith("d.parquet: ")
    assert "\n" not in str(caught.value)


def test_missing_column_names_those_that_exist(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "author": ["b"]}), tmp_path / "d.parquet")
    with pytest.raises(InputError) as caught:
        _read(tmp_path, "d.parquet", {"text": "texts"})
    assert str(caught.value) == "d.parquet: no column 'texts' (text) (did you mean 'text'?); columns: text, author"


def test_missing_file_and_unknown_kind(tmp_path):
    with pytest.raises(InputError, match=r"^data/none\.parquet: no such file or folder$"):
        _read(tmp_path, "data/none.parquet", {"text": "text"})
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=r"^data/pictures: no such file or folder$"):
        _read(tmp_path, "data/pictures", {"text": "text"})
    with pytest.raises(InputError, match=r"^data: the folder holds no"):
        _read(tmp_path, "data", {"text": "text"})
    (tmp_path / "d.xyz").write_text("")
    with pytest.raises(InputError, match=r"unknown kind of file '\.xyz'"):
        _read(tmp_path, "d.xyz", {"text": "text"})


def test_folder_of_two_kinds_is_refused(tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both/a.txt").write_text("a")
    (tmp_path / "both/a.csv").write_text("text\na\n")
    with pytest.raises(InputError, match=r"mixes files of the kinds csv, text"):
        _read(tmp_path, "both", {"text": "text"})
    (tmp_path / "both/a.txt").rename(tmp_path / "both/a.tsv")
    with pytest.raises(InputError, match=r"mixes files of the kinds csv, tsv"):
        _read(tmp_path, "both", {"text": "text"})


def test_a_folder_of_tsv_is_read_by_tabs(tmp_path):
    (tmp_path / "tables").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"tables/{name}.tsv").write_text(f"text\tn\nhello, {name}\t1\n")
    assert _read(tmp_path, "tables", {"text": "text"})[0] == [{"text": "hello, a"}, {"text": "hello, b"}]


@pytest.mark.parametrize("fields", [{"split": "test"}, {"name": "small"}])
@pytest.mark.parametrize("path", ["d", "d/test-0.parquet"])
def test_split_and_name_of_a_local_source_are_refused(tmp_path, path, fields):
    (tmp_path / "d").mkdir()
    for split in ("train", "test"):
        pq.write_table(pa.table({"text": [split]}), tmp_path / f"d/{split}-0.parquet")
    with pytest.raises(ConfigError, match=rf"^{path}: split and name go with a Hugging Face dataset; name the file"):
        _read(tmp_path, path, {"text": "text"}, **fields)


def test_empty_source(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r"d\.parquet: "):
        _read(tmp_path, "d.parquet", {"text": "text"})


def test_hub_id_without_network_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_reachable", lambda hub: False)
    with pytest.raises(InputError, match=r"^nobody/nothing: .*cannot be reached: connect") as caught:
        _read(tmp_path, "nobody/nothing", {"text": "text"}, split="train")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"needs split"):
        _read(tmp_path, "nobody/nothing", {"text": "text"})


def test_local_sources_leave_the_cache_alone(tmp_path, monkeypatch):
    import datasets

    home = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "d.parquet")
    _read(tmp_path, "d.parquet", {"text": "text"})
    assert not home.exists()
    assert list((tmp_path / "tmp").iterdir()) == []
