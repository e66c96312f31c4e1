"""The examples of docs/report.md run."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_examples_run() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        exec(compile(example, "docs/report.md", "exec"), {})


def test_plots_name_files_that_are_written() -> None:
    import yaml

    plots = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0])["plots"]
    files = {Path(source).name for plot in plots for entry in plot.values() for source in entry["y"]}
    assert files == {"stages.json", "size.json", "latency.json"}
