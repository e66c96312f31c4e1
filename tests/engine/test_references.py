from pathlib import Path

import pytest

from edgewright.engine import references
from edgewright.engine.references import References


def test_what_was_read_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = b"from . import rtn\nHOME = 'edgewright.aq.driver'\n"
    first = References(tmp_path / "store.json")
    found = first.of(source, "edgewright.aq")
    first.save()
    assert (found.bound, found.bases, found.named) == (
        ("edgewright.aq.rtn",), ("edgewright.aq",), ("edgewright.aq.driver",)
    )
    monkeypatch.setattr(references, "_read", lambda source, package: pytest.fail("parsed again"))
    assert References(tmp_path / "store.json").of(source, "edgewright.aq") == found


def test_the_same_text_in_another_package_means_something_else(tmp_path: Path) -> None:
    store = References(tmp_path / "store.json")
    assert store.of(b"from . import rtn", "a").bound == ("a.rtn",)
    assert store.of(b"from . import rtn", "b").bound == ("b.rtn",)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 0, "files": {}}'])
def test_broken_store_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "store.json"
    path.write_text(content)
    assert References(path).of(b"import json", "a").bound == ("json",)


def test_package_with_a_docstring_only_has_no_code(tmp_path: Path) -> None:
    store = References(tmp_path / "store.json")
    assert not store.of(b'"""Rules."""\n', "a").has_code
    assert store.of(b"X = 1\n", "a").has_code
