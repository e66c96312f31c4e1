"""`edgewright targets`: the list, the map, and the proof of a map."""

import pytest

from edgewright import targets
from edgewright.cli.commands import targets as command
from edgewright.errors import ContradictionError
from tests.cli.workspace import call
from tests.support import ROOT


def test_list_names_every_target_with_its_schemes():
    done = call(ROOT, "targets", "list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in targets.names())
    assert "w8a16" in done.stdout


def test_show_is_the_map(capsys):
    command.show("ethos-u55-128")
    shown = capsys.readouterr().out
    target = targets.load("ethos-u55-128")
    assert "Ethos_U55_High_End_Embedded" in shown
    assert all(op in shown for op in target.operators)
    assert "static symmetric 16-bit" in shown
    assert "stride at most 3" in " ".join(shown.split())


def test_a_misspelt_target_is_told_the_right_one():
    done = call(ROOT, "targets", "show", "xnnpak")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'xnnpack'?" in done.stderr


def test_probe_says_what_the_toolchain_did():
    done = call(ROOT, "targets", "probe", "onnxruntime", "tanh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "onnxruntime: 1 line tried, all hold"
    assert "delegated, " in done.stdout


def test_a_planted_false_line_ends_with_exit_code_4(monkeypatch, capsys):
    target = targets.load("xnnpack")
    planted = target.model_copy(update={"operators": {**target.operators, "elu": target.operators["tanh"]}})
    monkeypatch.setattr(targets, "load", lambda name: planted)
    with pytest.raises(ContradictionError, match="xnnpack: 1 of 2 lines") as caught:
        command.probe("xnnpack", ["elu", "tanh"])
    assert caught.value.exit_code == 4
    elu, tanh = capsys.readouterr().out.splitlines()
    assert "FAILS: " in elu
    assert "FAILS" not in tanh
