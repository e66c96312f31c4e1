import threading

import pytest
import torch

from edgewright.parallel import VARIABLE, ordered_map


@pytest.mark.parametrize("count", ["1", "2", "5"])
def test_results_come_in_order_whatever_takes_longest(monkeypatch, count):
    monkeypatch.setenv(VARIABLE, count)
    gate = threading.Event()

    def work(item):
        if item == 1 and count != "1":
            gate.wait(5)
        if item == 0:
            gate.set()
        return item * item

    assert list(ordered_map(work, range(20))) == [item * item for item in range(20)]


def test_several_calls_run_at_the_same_time(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    barrier = threading.Barrier(2, timeout=10)
    assert list(ordered_map(lambda item: (barrier.wait(), item)[1], range(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("recording", [True, False])
def test_gradients_are_recorded_where_the_caller_records_them(monkeypatch, recording):
    monkeypatch.setenv(VARIABLE, "2")
    weight = torch.ones(2, requires_grad=True)
    with torch.set_grad_enabled(recording):
        results = list(ordered_map(lambda item: (weight * item).sum(), range(3)))
    assert all(result.requires_grad is recording for result in results)


def test_no_more_is_computed_ahead_than_there_are_workers(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    started = []
    results = ordered_map(started.append, range(50))
    next(results)
    assert len(started) <= 4


def test_the_first_error_in_order_is_raised(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")

    def work(item):
        if item:
            raise ValueError(str(item))

    with pytest.raises(ValueError, match="1"):
        list(ordered_map(work, range(6)))


def test_a_call_may_use_it_too(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    sums = ordered_map(lambda item: sum(ordered_map(lambda other: item * other, range(4))), range(5))
    assert list(sums) == [0, 6, 12, 18, 24]
