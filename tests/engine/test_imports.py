from pathlib import Path

import pytest

from edgewright.engine import imports
from edgewright.engine.imports import Closure, Sources

FILES = {
    "edgewright/__init__.py": "",
    "edgewright/files.py": "import json",
    "edgewright/aq/__init__.py": "from edgewright.aq.driver import drive",
    "edgewright/aq/driver.py": 'ROUNDERS = "edgewright.aq.rounders"\nfrom ..files import write_json\n',
    "edgewright/aq/rounders/__init__.py": "",
    "edgewright/aq/rounders/rtn.py": "import numpy.linalg",
    "edgewright/aq/rounders/auto_round.py": "from . import rtn\ndef go():\n    import torch",
    "edgewright/go/__init__.py": 'PACKAGE = f"{__package__}.rules"',
    "edgewright/go/rules/__init__.py": "",
    "edgewright/go/rules/family/__init__.py": "",
    "edgewright/go/rules/family/silu.py": "",
    "edgewright/go/table.json": "{}",
    "edgewright/go/catalogue.py": "from edgewright.go import rules as package",
    "edgewright/lazy.py": 'HOMES = {"drive": "edgewright.files"}',
    "edgewright/go/one.py": "from edgewright.go.rules.family import silu",
    "edgewright/engine/__init__.py": "",
    "edgewright/engine/stage.py": "import dvc",
    "edgewright/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    "    import pandas\nelse:\n    import yaml",
    "stages/__init__.py": "",
    "stages/aq.py": "from edgewright.engine import stage\nfrom edgewright import aq",
    "models/folder/net.py": "import torch\nfrom models.folder import parts",
    "models/folder/parts.py": "",
}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(imports, "_PACKAGE", tmp_path / "edgewright")
    return Sources(tmp_path, free=("edgewright.engine",))


def names(closure: Closure) -> set[str]:
    return set(closure.files)


def test_follows_absolute_and_relative_imports_packages_and_functions(sources: Sources) -> None:
    found = sources.closure(["stages.aq"], {"edgewright.aq.rounders": ["auto-round"]})
    assert names(found) == {
        "stages", "stages.aq", "edgewright", "edgewright.aq", "edgewright.aq.driver", "edgewright.files",
        "edgewright.aq.rounders", "edgewright.aq.rounders.auto_round", "edgewright.aq.rounders.rtn",
    }
    assert found.third_party == {"torch", "numpy"}


def test_registry_package_counts_whole_unless_narrowed(sources: Sources) -> None:
    whole = names(sources.closure(["edgewright.aq"], {}))
    narrow = names(sources.closure(["edgewright.aq"], {"edgewright.aq.rounders": ["rtn"]}))
    assert whole - narrow == {"edgewright.aq.rounders.auto_round"}
    nothing = names(sources.closure(["edgewright.aq"], {"edgewright.aq.rounders": []}))
    assert narrow - nothing == {"edgewright.aq.rounders.rtn"}


def test_package_relative_registry_with_its_families_and_data_files(sources: Sources) -> None:
    assert names(sources.closure(["edgewright.go"], {})) == {
        "edgewright", "edgewright.go", "edgewright.go/table.json", "edgewright.go.rules",
        "edgewright.go.rules.family", "edgewright.go.rules.family.silu",
    }


def test_package_without_code_that_is_held_counts_whole(sources: Sources) -> None:
    assert "edgewright.go.rules.family.silu" in names(sources.closure(["edgewright.go.catalogue"], {}))


def test_module_of_a_package_without_code_brings_itself_alone(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edgewright/go/__init__.py").write_text("")
    (tmp_path / "edgewright/go/rules/family/gelu.py").touch()
    found = names(sources.closure(["edgewright.go.one"], {}))
    assert "edgewright.go.rules.family.silu" in found
    assert "edgewright.go.rules.family.gelu" not in found


def test_module_that_a_string_names_counts(sources: Sources) -> None:
    assert "edgewright.files" in names(sources.closure(["edgewright.lazy"], {}))


def test_what_only_a_type_checker_sees_does_not_count(sources: Sources) -> None:
    assert sources.closure(["edgewright.typed"], {}).third_party == {"yaml"}


def test_factory_in_a_bare_folder_of_the_workspace(sources: Sources) -> None:
    found = sources.closure(["models.folder.net"], {})
    assert names(found) == {"models.folder.net", "models.folder.parts"}
    assert found.third_party == {"torch"}


def test_installed_package_wins_over_a_bare_folder(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    assert sources.closure(["numpy.linalg"], {}).third_party == {"numpy"}
