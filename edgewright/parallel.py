"""Use all cores without letting their number decide any bit: independent pieces of work, each on one thread."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

from edgewright.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")

VARIABLE = "EDGEWRIGHT_WORKERS"
"""Environment variable that overrides the number of worker threads."""


def workers() -> int:
    """Worker threads: the processors that this process may use."""
    given = os.environ.get(VARIABLE) or str(len(os.sched_getaffinity(0)))
    if not given.isdecimal() or int(given) == 0:
        raise ConfigError(f"{VARIABLE}: {given}; it is a number of threads, 1 or more")
    return int(given)


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="edgewright-aq")


_here = threading.local()


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in the order of the items; each call runs alone on one thread of torch.

    No more calls are ahead of what was taken than there are workers, which bounds memory. Results do not depend
    on the number of workers as long as `function` writes nothing that another call reads: what sums them must do
    so in the order given. Gradients are recorded where the caller records them. Inside a call it is plain `map`.
    """
    recording, count = torch.is_grad_enabled(), workers()

    def call(item: Item) -> Result:
        torch.set_num_threads(1)
        _here.is_worker = True
        with torch.set_grad_enabled(recording):
            return function(item)

    if count == 1 or getattr(_here, "is_worker", False):
        yield from map(function, items)
        return
    pool = _pool(count)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)
