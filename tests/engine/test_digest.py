import shutil
from pathlib import Path
from typing import Any

import pytest

from edgewright import config
from edgewright.engine import digest, imports, plan

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code that may be edited."""
    for name in ("edgewright", "stages"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "data" / "samples").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "data/samples/models", tmp_path / "data/samples/models")
    monkeypatch.setattr(imports, "_PACKAGE", tmp_path / "edgewright")
    return tmp_path


def params() -> config.Params:
    loaded = config.load(REPOSITORY / "params.yaml")
    recipes = {
        "none": config.AqRecipe(),
        "awq": config.AqRecipe(algorithms=("awq",), bits=4),
        "rtn": config.AqRecipe(algorithms=("rtn",), bits=4),
    }
    variant = config.VariantEntry(model=("english-llama",), aq=tuple(recipes), target=("xnnpack", "onnxruntime"))
    return loaded.model_copy(update={"aq": recipes, "variants": (variant, *loaded.variants[1:])})


def digests(root: Path) -> dict[str, Any]:
    values = params()
    return digest.code(root, values, plan.build(values, root=REPOSITORY))


def changed(root: Path, *edited: str) -> set[str]:
    """Keys of code.json that differ once a comment is added to each file."""
    before = digests(root)
    for name in edited:
        path = root / name
        path.write_text(path.read_text() + "\n# a comment\n")
    after = digests(root)
    keys = set()
    for stage, value in before.items():
        if isinstance(value, dict):
            keys |= {f"{stage}.{choice}" for choice in value if value[choice] != after[stage][choice]}
        elif value != after[stage]:
            keys.add(stage)
    return keys


def test_comment_in_an_algorithm_touches_the_recipes_that_use_it(copy: Path) -> None:
    assert changed(copy, "edgewright/aq/transforms/awq.py") == {"aq.awq"}


def test_comment_in_the_default_rounder_touches_what_rounds(copy: Path) -> None:
    found = changed(copy, "edgewright/aq/rounders/rtn.py")
    assert {"aq.awq", "aq.rtn"} <= found <= {"aq.awq", "aq.rtn", "aq.none"}


def test_comment_in_an_adapter_touches_the_targets_that_use_it(copy: Path) -> None:
    assert changed(copy, "edgewright/targets/adapters/onnxruntime.py") == {"runtime.onnxruntime"}


def test_comment_in_a_factory_touches_its_model(copy: Path) -> None:
    assert changed(copy, "data/samples/models/resnet8_cifar10/model.py") == {"factory.resnet8"}


def test_comment_in_a_stage_touches_that_stage(copy: Path) -> None:
    assert changed(copy, "stages/ir.py") == {"ir"}


def test_comment_in_the_engine_touches_nothing(copy: Path) -> None:
    assert changed(copy, "edgewright/engine/stage.py") == set()


def test_comment_in_what_finds_the_reports_figures_touches_the_report(copy: Path) -> None:
    assert changed(copy, "edgewright/engine/report_files.py") == {"report"}


def test_new_version_of_a_toolchain_touches_its_targets(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(copy)
    real = digest.version
    monkeypatch.setattr(digest, "version", lambda name: "99" if name == "onnxruntime" else real(name))
    after = digests(copy)
    assert {name for name, value in before["runtime"].items() if after["runtime"][name] != value} == {"onnxruntime"}
    assert before["aq"] == after["aq"]


def test_every_stage_of_the_repository_has_a_digest(copy: Path) -> None:
    found = digests(copy)
    assert set(found["runtime"]) == {"pytorch", "xnnpack", "onnxruntime", "ethos-u85-256"}
    assert set(found["capability"]) == {"xnnpack", "onnxruntime", "ethos-u85-256"}
    assert set(found["evaluate"]) == {"language-modeling", "image-classification"}
    shas = [value for entry in found.values() for value in (entry.values() if isinstance(entry, dict) else [entry])]
    assert all(len(value) == 64 for value in shas)


@pytest.mark.parametrize(("name", "expected"), [("yaml", "."), ("pytest", "."), ("no_such_package", "absent")])
def test_version_by_import_name(name: str, expected: str) -> None:
    assert expected in digest.version(name)


def test_local_part_of_a_version_is_left_out() -> None:
    assert "+" not in digest.version("torch")
