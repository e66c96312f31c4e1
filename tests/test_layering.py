"""Imports point one way, and files stay small enough to read."""

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

LIBRARY = ROOT / "edgewright"
FILES = sorted(LIBRARY.rglob("*.py"))
LINES = 400


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(path: Path, *packages: str) -> set[str]:
    return {name for name in imports(path) for package in packages if name == package or name.startswith(f"{package}.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_keeps_to_its_layer(path):
    folder = path.relative_to(LIBRARY).parts[0]
    if folder not in ("engine", "cli", "__main__.py"):
        assert not uses(path, "dvc", "prefect", "stages", "flows", "edgewright.engine", "edgewright.cli")
    if folder == "go":
        assert not uses(path, "edgewright.gq")
    if folder == "gq":
        assert not uses(path, "edgewright.go")
    if folder == "compare":
        assert not uses(path, "edgewright.go", "edgewright.gq", "edgewright.aq", "edgewright.report")
    if folder in ("ir", "targets", "config", "rounding", "rotation", "models"):
        assert not uses(path, "edgewright.go", "edgewright.gq", "edgewright.aq")
    assert len(path.read_text().splitlines()) <= LINES


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.name)
def test_a_stage_holds_no_logic(path):
    tree = ast.parse(path.read_text())
    logic = (ast.For, ast.While, ast.Try, ast.Lambda, ast.ClassDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, logic)]
    assert {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} <= {"run"}
    assert len(path.read_text().splitlines()) < 60


def test_shipped_data_is_small_and_licensed():
    files = [path for path in (ROOT / "data/samples").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 25_000_000
    assert {path.name for path in files} >= {"mlperf-tiny-Apache-2.0.txt", "tinystories_eval-repository-MIT.txt"}
