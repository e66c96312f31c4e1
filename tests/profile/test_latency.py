import gc

from edgewright.profile import compare


def test_runs_alternate_and_warmup_is_not_counted() -> None:
    calls: list[str] = []
    first, second = compare(lambda: calls.append("a"), lambda: calls.append("b"), runs=3, warmup=2)
    assert calls == ["a", "b"] * 5
    assert second is not None
    for latency in (first, second):
        assert 0 < latency.p10 <= latency.median <= latency.p90


def test_one_program_alone() -> None:
    calls: list[str] = []
    latency, none = compare(lambda: calls.append("a"), None, runs=4, warmup=0)
    assert none is None
    assert len(calls) == 4
    assert latency.median > 0
    assert gc.isenabled()


def test_a_slower_program_is_slower() -> None:
    fast, slow = compare(lambda: None, lambda: sum(range(20_000)), runs=11, warmup=1)
    assert slow is not None
    assert slow.median > fast.median
