"""The examples of docs/evaluate.md run."""

from tests.support import blocks


def test_examples_run() -> None:
    (example,) = blocks("docs/evaluate.md", "python")
    exec(compile(example, "docs/evaluate.md", "exec"), {})
