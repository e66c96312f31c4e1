"""The examples of docs/go.md do what they say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from edgewright.go.catalogue import user_rules
from edgewright.go.certify import certify
from edgewright.go.rule import RuleError
from tests.support import blocks

FIRST, RULE = blocks("docs/go.md", "python")


def test_first_example_prints_what_it_says() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(FIRST, {})
    assert f"# {printed.getvalue().strip()}" in FIRST


def test_rule_in_a_users_folder_is_loaded_and_certified(tmp_path: Path) -> None:
    (tmp_path / "scale_into_linear.py").write_text(RULE)
    (rule,) = user_rules(tmp_path)
    assert rule.name == "scale-into-linear"
    assert certify(rule).negatives == ("not one value per output",)


@pytest.mark.parametrize(("name", "text", "reason"), [
    ("broken.py", "import nothing_of_the_kind", "ModuleNotFoundError"),
    ("empty.py", "", "expected one subclass of Rule, found 0"),
    ("silu_decompose.py", RULE, "a shipped rule has the name 'silu-decompose'"),
    ("bare.py", re.sub(r'    """s \(W x.*?"""\n', "", RULE, flags=re.DOTALL), "must state its equation"),
])
def test_file_that_is_no_rule_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RuleError, match=reason):
        user_rules(tmp_path)
