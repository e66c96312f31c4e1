"""The benchmark that every scheme and target that do not fit are refused in time."""

from benchmarks import fail_fast
from edgewright import targets
from edgewright.config import GqScheme


def test_every_scheme_is_one_and_every_target_refuses_some():
    found = dict(fail_fast.schemes())
    assert len(found) == len(list(fail_fast.schemes()))
    assert all(GqScheme.model_validate(scheme) for scheme in found.values())
    assert {target for target, _, _ in fail_fast.refused(targets.names())} == set(targets.names())


def test_a_few_are_refused_by_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["fail_fast", "--target", "tinpu", "--every", "30"])
    monkeypatch.setattr(fail_fast.workspace, "HOME", tmp_path)
    # How fast is the benchmark's question; here the machine may be busy.
    monkeypatch.setattr(fail_fast, "SECONDS", 60.0)
    assert fail_fast.main() == 0, capsys.readouterr().out
    assert "pairs of scheme and target refused" in capsys.readouterr().out
