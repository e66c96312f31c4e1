import json
from pathlib import Path

from edgewright.files import sha256_tree
from edgewright.report import Report, VariantFiles, collect, write


def test_writes_the_files_that_the_pipeline_names(variants: list[VariantFiles], tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    write(collect(variants), folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "report.json", "report.html", "summary.json", "plots/stages.json", "plots/size.json", "plots/latency.json"
    }  # fmt: skip
    content = json.loads((folder / "report.json").read_text())
    assert Report.model_validate(content) == collect(variants)


def test_two_writes_are_equal_bytes(variants: list[VariantFiles], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(collect(variants), tmp_path / name)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
