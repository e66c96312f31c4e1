"""The command lines in the documentation name commands and options that exist."""

import re
import shlex
from functools import cache

import pytest

from edgewright.cli.application import commands
from tests.cli.workspace import call
from tests.support import ROOT, blocks

PAGES = ("README.md", "docs/cli.md", "docs/engine.md", "docs/prefect.md", "docs/probe.md", "docs/search.md")


def _lines() -> list[str]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            found += re.findall(r"^edgewright .*$", block.replace("\\\n", " "), re.MULTILINE)
        found += re.findall(r"`(edgewright [a-z][^`]*)`", (ROOT / page).read_text())
    return sorted(set(found))


@cache
def _help(command: str) -> str:
    return call(ROOT, command, "--help").stdout


@pytest.mark.parametrize("line", _lines())
def test_a_documented_command_line_exists(line):
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("--"):
        assert words[0] in call(ROOT, "--help").stdout
        return
    assert words[0] in {command.name for command in commands()}
    for word in words[1:]:
        if word.startswith("--"):
            assert f" {word}" in _help(words[0]), word
