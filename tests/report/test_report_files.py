"""The report of a workspace: where its figures come from, and its one reason for a failure."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from edgewright.cli import show_report
from edgewright.engine import report_files
from edgewright.engine.workspace import Workspace
from edgewright.errors import BudgetError
from edgewright.files import sha256_file, sha256_tree, write_json
from tests.engine.workspace import make


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two variants of one model, of which only model and samples are built."""
    tiny = make(tmp_path)
    tiny.edit(lambda values: values["variants"].append(values["variants"][0] | {"aq": "awq"}))
    for folder in ("model/alpha", "holdout/alpha--test", "calibration/alpha--calib"):
        path = tmp_path / "data" / folder / "sample.parquet"
        path.parent.mkdir(parents=True)
        path.write_text(folder)
    return tiny.workspace


def test_what_variants_share_is_hashed_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256_tree(path)

    monkeypatch.setattr(report_files, "sha256_tree", counted)
    report = report_files.assemble(workspace)
    assert len(report.variants) == 2
    assert len(hashed) == len(set(hashed)) == 3
    sample = workspace.artifact("holdout", "alpha--test") / "sample.parquet"
    for variant in report.variants:
        lineage = {item.name: item.digest for item in variant.details.lineage}
        assert list(lineage) == ["model", "calibration sample", "held-out sample"]
        assert lineage["held-out sample"] == sha256_file(sample)


def test_table_and_exit_line_give_one_reason(workspace: Workspace) -> None:
    (variant, _) = workspace.plan()["variants"]
    older = {f"compile@{variant['keys']['compile']}": {"state": "Failed", "seconds": 1.0, "message": "older",
                                                       "exit_code": 3}}  # fmt: skip
    write_json(workspace.root / "reports" / "run.json", {"schema": 1, "stages": older})
    failures = {f"aq@{variant['keys']['aq']}": "column 'x' has 3 nulls"}
    report = report_files.assemble(workspace, failures).model_dump(mode="json")
    out = io.StringIO()
    show_report.show(workspace, report, Console(file=out, width=200))
    assert f"{variant['name']}  failed  aq: column 'x' has 3 nulls" in out.getvalue()
    with pytest.raises(BudgetError) as caught:
        show_report.require_ok(report)
    assert f"{variant['name']} failed: aq: column 'x' has 3 nulls" in str(caught.value)
    assert "older" not in out.getvalue() + str(caught.value)
