"""Runs work on chunks over all cores, in threads: what is computed releases the interpreter's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


class Workers:
    """Holds threads that work on chunks; ``threads`` 0 means one for each core that this process may use.

    Results come in the order of the items whatever the number of threads, and the items are taken in the
    caller's thread, only so many ahead: memory does not grow with the length of a recording.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or _cores()
        self._pool: Executor | None = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def map(self, work: Callable[[Item], Done], items: Iterable[Item]) -> Iterator[Done]:
        """Yields ``work`` of each item, in order."""
        if self._pool is None:
            yield from map(work, items)
            return
        waiting: deque[Future[Done]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(work, item))
                if len(waiting) > self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def close(self) -> None:
        """Wait for the threads to end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """Returns the cores that this process may use; all that there are where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
