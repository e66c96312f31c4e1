"""The examples of docs/report.md run."""

from pathlib import Path

import yaml

from tests.support import blocks

PAGE = "docs/report.md"


def test_examples_run() -> None:
    (example,) = blocks(PAGE, "python")
    exec(compile(example, PAGE, "exec"), {})


def test_plots_name_files_that_are_written() -> None:
    (example,) = blocks(PAGE, "yaml")
    plots = yaml.safe_load(example)["plots"]
    files = {Path(source).name for plot in plots for entry in plot.values() for source in entry["y"]}
    assert files == {"stages.json", "size.json", "latency.json"}
