"""Looks after a process tree while it runs: hears it, passes on what it prints, sees why it has to end."""

import os
import select
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from blut_resources.launchers.base import Launched
from blut_resources.payloads import orchestrator
from blut_resources.payloads.output import LogTee
from blut_resources.payloads.tail import LineTail

POLL_S = 0.05
WATCH_S = 2.0
"""How often a step asks whether somebody still wants its result."""


def watched(
    name: str,
    unit: Launched,
    tail: LineTail,
    log: LogTee,
    run_ended: Callable[[], str],
    warn: Callable[[str], object],
    beside: Callable[[], list[dict[str, Any]]] = list,
    poll_s: float = POLL_S,
) -> Iterator[dict[str, Any]]:
    """Yields the events of a process tree until it has ended and all that it said was heard.

    Args:
        run_ended: says why nobody wants its result any more; empty as long as somebody does.
        warn: told why it is ended, and that it is not contained any more.
        beside: events of ours to yield in between.
        poll_s: seconds between two looks at what it says.

    Raises:
        MessageError: if a line of its messages is not one.
    """
    look_at, ended = time.monotonic() + WATCH_S, False
    while not ended or tail.behind:
        ended = has_ended(unit, 0 if tail.behind else poll_s)
        log.pump()
        yield from tail.events()
        yield from beside() if not ended else ()
        if time.monotonic() > look_at or ended:
            _warn_if_broken(name, unit, warn)
        if time.monotonic() > look_at:
            look_at = time.monotonic() + WATCH_S
            if reason := run_ended():
                look_at = float("inf")
                warn(f"{name} is ended: {reason}")
                unit.terminate()


def has_ended(unit: Launched, patience_s: float) -> bool:
    """Says whether a unit has ended, by poll: ``select`` would refuse descriptors above 1023."""
    poll = select.poll()
    poll.register(unit, select.POLLIN)
    return bool(poll.poll(patience_s * 1000))


def wanted(instance: dg.DagsterInstance, run_id: str, *, alone: bool = False) -> Callable[[], str]:
    """Returns what says why to end: the UI can mark a run as cancelled without telling its process.

    It can die too, so the processes above this one are noted now, while they are there. Whoever may go on
    ``alone`` does not end with them.
    """
    orchestrator.above(os.getpid())

    def reason_to_end() -> str:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return "its run was marked as ended"
        return "" if alone else orchestrator.ended()

    return reason_to_end


def _warn_if_broken(name: str, unit: Launched, warn: Callable[[str], object]) -> None:
    if unit.enforcement.contained and (what := unit.broken()):
        warn(f"{name} is not contained any more, its limits do not hold: {what}")
