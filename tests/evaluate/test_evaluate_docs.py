"""The examples of docs/evaluate.md run."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_examples_run() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        exec(compile(example, "docs/evaluate.md", "exec"), {})
