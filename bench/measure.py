"""Run commands in turns and keep wall time, CPU seconds of the whole process tree, and peak memory.

Standard library only: a child's peak memory includes what its parent held when it was started, so the
process that starts the measured commands has to stay small.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

REPOSITORY = Path(__file__).parent.parent
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds of wall and of CPU (user and system, with all reaped children),
    the largest resident set of any single process in it in MB, its exit status and its standard output."""

    wall: float
    cpu: float
    rss_mb: float
    status: int
    stdout: str = field(default="", repr=False)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = REPOSITORY,
    env: Mapping[str, str] | None = None,
    expect: Collection[int] | None = (0,),
) -> Run:
    """Run a command to its end; its standard error is shown only if it fails.

    Raises:
        RuntimeError: the exit status is not in ``expect`` (``None``: any will do).
    """
    environment = {**os.environ, **(env or {})}
    # installed packages have their byte code, so ours must be allowed to keep it too
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with _scratch() as out, _scratch() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, raw, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = status = os.waitstatus_to_exitcode(raw)
        if expect is not None and status not in expect:
            raise RuntimeError(f"{command}: exit status {status}\n{_text(err)[-3000:]}\n{_text(out)[-1000:]}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, status, _text(out))


def python(
    code: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
    expect: Collection[int] | None = (0,),
) -> Run:
    """Run Python code in a fresh interpreter."""
    return run([sys.executable, "-c", code], env=env, cwd=cwd, expect=expect)


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Call each contender once per round, A B A B; what they returned, by name."""
    results: dict[str, list[T]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            results[name].append(call())
    return results


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def timed(call: Callable[[], object]) -> Run:
    """Wall and CPU seconds of a call in this process, all threads."""
    cpu, started = time.process_time(), time.perf_counter()
    call()
    return Run(time.perf_counter() - started, time.process_time() - cpu, 0.0, 0)


def _scratch() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
