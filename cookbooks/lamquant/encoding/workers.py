"""Encodes and takes many files, in several processes where there is enough to do."""

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.encoding.work import Job, done

BYTES_PER_WORKER = 8 << 20
"""Starting another process costs two seconds of imports; it must have at least that much to do."""
AHEAD = 4
"""Files for each process that are handed out at a time."""
LOOK_S = 1.0
"""Seconds between two looks at how far the processes are."""

Outcome = dict[str, Any]
Tell = Callable[[int], object]


def encode_all(jobs: Sequence[Job], workers: int, moved: Tell) -> Iterator[tuple[Job, Outcome]]:
    """Yields each file with its outcome, the largest first, so that no process ends long after the others.

    Args:
        jobs: the files.
        workers: processes at most.
        moved: told how many bytes of samples were encoded since it was told last.

    Raises:
        Refused: a process died.
    """
    ordered = sorted(jobs, key=lambda job: -job.n_bytes)
    processes = min(workers, len(jobs), max(1, sum(job.n_bytes for job in jobs) // BYTES_PER_WORKER))
    if processes > 1:
        yield from _in_processes(ordered, processes, moved)
        return
    for job in ordered:
        yield job, done(job, moved)


def _in_processes(jobs: Sequence[Job], processes: int, moved: Tell) -> Iterator[tuple[Job, Outcome]]:
    # Spawned, not forked: a forked child would inherit locks and the event channel.
    context = multiprocessing.get_context("spawn")
    counter, told, waiting = context.Value("q", 0), 0, iter(jobs)
    with ProcessPoolExecutor(processes, context, _begin, (counter,)) as pool:
        pending: dict[Future[Outcome], Job] = {}
        while True:
            # as many as keep the processes busy: each wait looks at all that are pending
            for job in itertools.islice(waiting, AHEAD * processes - len(pending)):
                pending[pool.submit(_encode, job)] = job
            if not pending:
                return
            ready, _ = wait(pending, LOOK_S, FIRST_COMPLETED)
            now = counter.value
            moved(now - told)
            told = now
            for future in ready:
                try:
                    outcome = future.result()
                except BrokenProcessPool as error:
                    raise Refused(_died(next(iter(pending.values())))) from error
                yield pending.pop(future), outcome


def _died(job: Job) -> str:
    return (
        f"{job.path}: an encoder process died at or near this file, most likely out of memory; "
        "set workers=1 or raise the memory limit, then run again: what is encoded is kept"
    )


_counter: Any = None
"""In a process of the pool: the bytes that all of them have encoded."""


def _begin(counter: Any) -> None:
    global _counter
    _counter = counter
    # PR_SET_PDEATHSIG: a worker must not outlive a payload that was killed.
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


def _encode(job: Job) -> Outcome:
    return done(job, _add)


def _add(n_bytes: int) -> None:
    with _counter.get_lock():
        _counter.value += n_bytes
