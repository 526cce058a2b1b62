"""Ends a sweep from another terminal: whoever leads it is told, as by Ctrl-C."""

import contextlib
import os
import signal
import time
from itertools import repeat
from pathlib import Path

from blut_assets.sweeps.record import RUNNING, SweepRecord
from blut_assets.sweeps.standing import standing
from blut_assets.terminal.output import failed, wrong
from blut_resources.alive import CANCEL_S
from blut_resources.machine import liveness
from blut_resources.machine.amounts import parse_duration
from blut_resources.runs.cancelling import give_time, whose

LOOK_S = 0.1


def grace_of(text: str) -> float | None:
    """Returns seconds; None where nobody says any. Ends the command with status 2 if it cannot be read."""
    try:
        return 0.0 if text in ("0", "0s") else parse_duration(text, "--grace") if text else None
    except ValueError as error:
        wrong(str(error))


def cancel(record: SweepRecord, grace_s: float | None) -> str:
    """End a sweep that is at work here; returns what was done, in words.

    Args:
        grace_s: seconds that each payload gets to write its checkpoint; what it was started with if None.
    """
    if record.leads() == "no":
        how = standing(record.trials().values())
        return f"sweep {record.short} has ended already: {how.sentence()}"
    running = [one for one in record.trials().values() if one.state == "running"]
    leader = record.leader()
    pids = [pid] if leader and (pid := liveness.pid_here(leader)) else _workers(record, leader)
    if not pids:
        failed(
            f"sweep {record.short} belongs to {leader or 'a process'}, which cannot be reached from here:"
            f" type `blut cancel {record.short}` there"
        )
    others = {pid: user for pid in pids if (user := whose(pid))}
    own = [pid for pid in pids if pid not in others]
    words = ", ".join(f"process {pid} is {user}'s" for pid, user in others.items())
    if not own:
        failed(
            f"sweep {record.short}: {words}, who can end it with the same command, or root; nothing is done"
        )
    for one in running if grace_s is not None else ():
        give_time(record.home, one.run_id, grace_s or 0.0)
    record.stop("cancelled")
    _signal(own)
    ends = time.monotonic() + CANCEL_S + (grace_s or 0.0)
    while record.leads() != "no":
        if others and not any(map(_holds, own, repeat(record))):
            failed(f"sweep {record.short}: {words}, who can end that, or root; the other trials have ended")
        if time.monotonic() > ends:
            return f"sweep {record.short} was told to end, and a trial of it has not ended yet"
        time.sleep(LOOK_S)
    how = standing(record.trials().values())
    return f"sweep {record.short} is cancelled: {how.sentence()}"


def _workers(record: SweepRecord, leader: liveness.Holder | None) -> list[int]:
    """Returns the workers at a trial, whose command was killed; none where numbers count otherwise.

    A number that means another process by now is none of them: a worker has the mark of its sweep open.
    """
    here = liveness.this_process()
    if leader is None or (leader.boot, leader.namespace) != (here.boot, here.namespace):
        return []
    at_work = [one.worker for one in record.trials().values() if one.state == "running"]
    return [pid for pid in at_work if _holds(pid, record)]


def _holds(pid: int, record: SweepRecord) -> bool:
    """Says whether a process has the mark of a sweep open, as far as this user may see that."""
    try:
        there = (record.place / RUNNING).stat()
        opened = [*Path(f"/proc/{pid}/fd").iterdir()]
    except PermissionError:
        return True
    except FileNotFoundError:
        return False
    for one in opened:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(one.stat(), there):
                return True
    return False


def _signal(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
