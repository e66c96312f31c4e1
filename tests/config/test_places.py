"""What is a path and what is a Hugging Face id is one rule for models and data."""

import pytest

from edgewright.config import ModelEntry
from edgewright.config.places import is_hub_id
from edgewright.engine.first_params import Choice, text
from edgewright.errors import ConfigError, InputError
from edgewright.models.check import check

IDS = ["gpt2", "Qwen/Qwen2.5-0.5B", "nobody/nothing", "HuggingFaceTB/SmolLM2-135M"]
PATHS = [
    "train.tsv", "data/train.tsv", "x.json", "other/x.JSONL", "other/a.png", "net.pt2", "data", "data/train", "a/b/c",
    "./a", "../a/b", "/a", "a/", "~/a",
]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path


def test_ids(root):
    assert [source for source in IDS if not is_hub_id(source, root)] == []


def test_paths(root):
    assert [source for source in PATHS if is_hub_id(source, root)] == []


def test_what_exists_is_a_path(root):
    (root / "gpt2").write_text("")
    assert not is_hub_id("gpt2", root)


@pytest.mark.parametrize("source", ["x.json", "data/train", "a/b/c"])
def test_a_missing_model_folder_is_refused(root, source):
    entry = {"task": "language-modeling", "calibration": "c", "holdout": "h"}
    with pytest.raises(ConfigError, match=rf"^models\.a\.source: no such folder: {source}$"):
        check(ModelEntry.model_validate({**entry, "source": source}), "models.a", root)
    check(ModelEntry.model_validate({**entry, "source": "nobody/nothing"}), "models.a", root)


def test_init_takes_an_id_with_a_dot_and_no_missing_file(root, monkeypatch):
    monkeypatch.chdir(root)
    choice = {"target": "xnnpack", "task": "language-modeling"}
    assert "source: Qwen/Qwen2.5-0.5B\n" in text(Choice("Qwen/Qwen2.5-0.5B", "nobody/nothing", **choice), root)
    with pytest.raises(InputError, match=r"^--data: no such file or folder: data/train\.tsv$"):
        text(Choice("Qwen/Qwen2.5-0.5B", "data/train.tsv", **choice), root)
