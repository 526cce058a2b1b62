"""Measures what a payload takes while it runs: CPU, memory, GPU;
from /proc, the kernel's counters and NVML.

A gauge that this machine does not have is a missing key, never a zero.
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import UP, read_json
from blut_resources.machine import gpus
from blut_resources.machine.memory import available
from blut_resources.machine.processes import descendants, read

EVERY = "BLUT_GAUGE_S"
STARVED_BELOW, STARVED_AFTER = 25, 5
"""Percent of use below which a GPU waits for its data, and samples in a row until that is said."""
DISK_WAITS, ONE_CORE, SEVERAL_CORES = 20, 80, 150
"""Percent from which on that is likely why a GPU waits: of the last 10 s, in which somebody waited for
a disk; and of a core, which a payload uses.
"""
IO_WAITS = re.compile(r"^some avg10=([\d.]+)", re.MULTILINE)
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def interval() -> float:
    """Returns the seconds between samples, from $BLUT_GAUGE_S; 5 by default, and 0 for none.

    Raises:
        ValueError: if that is not a number.
    """
    text = os.environ.get(EVERY) or "5"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"${EVERY}={text!r}: give seconds such as 5, or 0 for no samples")
    return seconds


class Gauges:
    """Samples one payload, whose files are in ``place``, and the GPUs with these indices."""

    def __init__(
        self, place: Path, granted: Sequence[int] = (), peak: Callable[[], int | None] = lambda: None
    ) -> None:
        """Prepare to sample;
        ``peak`` tells the bytes that the tree has used at most, where the kernel counts them.
        """
        self._peak = peak
        self._supervisor = int((read_json(place / UP) or {}).get("pid") or 0)
        self._gpus, self._starved = granted, Starvation()
        self._every = interval()
        self._next = time.monotonic() + self._every
        self._before: tuple[float, dict[int, int]] = (time.monotonic(), {})

    def events(self) -> list[dict[str, Any]]:
        """Returns ``gauge``, where it is time for one,
        and ``gpu_starved`` where that has just become true.
        """
        if not self._every or time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + self._every
        used = gpus.usage(self._gpus) if self._gpus else []
        values = {**self._tree(), **_host(), **_named(used)}
        events: list[dict[str, Any]] = [{"event": "gauge", "values": values}]
        for one in used:
            if "util" in one and self._starved.add(int(one["index"]), one["util"]):
                starved = {"gpu": one["index"], "samples": STARVED_AFTER, "likely": likely_cause(values)}
                events.append({"event": "gpu_starved", **starved})
        return events

    def _tree(self) -> dict[str, float]:
        """Returns the payload and all it has started, the supervisor left out."""
        pids = descendants(self._supervisor) if self._supervisor else set()
        now, before = time.monotonic(), self._before
        ticks = {pid: value for pid in pids if (value := _ticks(pid)) is not None}
        self._before = (now, ticks)
        busy = sum(value - before[1].get(pid, 0) for pid, value in ticks.items()) if before[1] else None
        found: dict[str, float] = {
            "processes": len(ticks),
            "memory_bytes": sum(map(_resident, ticks)),
        }
        if peak := self._peak():
            found["memory_peak_bytes"] = peak
        if busy is not None and now > before[0]:
            found["cpu_percent"] = round(100 * busy / TICKS / (now - before[0]), 1)
        return found


class Starvation:
    """Tells once an episode that a GPU has had too little to do."""

    def __init__(self) -> None:
        self._low: dict[int, int] = {}

    def add(self, gpu: int, percent: float) -> bool:
        """Says whether this sample makes it an episode."""
        self._low[gpu] = self._low.get(gpu, 0) + 1 if percent < STARVED_BELOW else 0
        return self._low[gpu] == STARVED_AFTER


def likely_cause(values: Mapping[str, float]) -> str:
    """Returns why a GPU is likely to wait, and what may mend it, by the gauges of the moment."""
    disk, cpu = values.get("host_io_wait_percent", 0.0), values.get("cpu_percent")
    if disk >= DISK_WAITS:
        return (
            f"the disk: {disk:.0f} % of the time somebody waits for it; a faster one, or more memory to cache"
        )
    if cpu is None:
        return "nobody knows why: its CPU time was not measured"
    if cpu >= SEVERAL_CORES:
        return (
            f"the loader: it uses {cpu:.0f} % of a core; more workers and threads, or less work for a sample"
        )
    if cpu >= ONE_CORE:
        return (
            f"the loader, or small batches: one core is busy ({cpu:.0f} %); workers of their own, or a larger"
            " batch"
        )
    return f"small batches, or something else: CPU {cpu:.0f} % of a core, and no disk is busy; a larger batch"


def _host() -> dict[str, float]:
    found = {"host_memory_available_bytes": available(), "host_load": round(os.getloadavg()[0], 2)}
    waits = IO_WAITS.search(read("/proc/pressure/io"))
    return {**found, **({"host_io_wait_percent": float(waits[1])} if waits else {})}


def _named(used: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns keys such as ``gpu0_util``."""
    return {
        f"gpu{one['index']}_{name}": value for one in used for name, value in one.items() if name != "index"
    }


def _ticks(pid: int) -> int | None:
    """Returns CPU time of a process, user and system; None if it has ended."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields and fields[0] != "Z" else None


def _resident(pid: int) -> int:
    """Returns the bytes of its own: files and memory that it shares with others are not counted again."""
    fields = read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if fields else 0
