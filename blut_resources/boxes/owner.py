"""Says which machine writes a history that SQLite keeps: two that do so over a network spoil it."""

# A machine is known by its machine id, for names change. Containers of one kernel share it, or have none, and
# may write together: one kernel keeps their locks. Two machines may have one id, as copies of an image have:
# what was written since this machine was started, by a kernel of another boot, was another machine's.

import os
from pathlib import Path

from blut_resources.boxes.seen import is_here
from blut_resources.files.durable import StoreError, file_lock, write_atomic
from blut_resources.files.modes import INSTANCE_LOCK
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Holder

HOST = ".instance.host"


class AnothersHistory(StoreError):
    """Says that another machine writes a history, and the remedy."""


def owner(home: Path) -> str:
    """Returns the name of the other machine that writes the history in ``home``; empty if there is none."""
    path = home / HOST
    try:
        holder = Holder.of(path.read_text(errors="replace"))
    except OSError:
        return ""
    return holder.host if holder and not is_here(holder, path) else ""


def claim(home: Path) -> None:
    """Note that this machine writes the history in ``home``.

    Raises:
        AnothersHistory: another one does.
        StoreError: it cannot be noted.
    """
    path, me = home / HOST, liveness.this_process()
    try:
        known = Holder.of(path.read_text(errors="replace"))
        if known and known.boot == me.boot:
            os.utime(path)
            return
    except OSError:
        pass
    with file_lock(home / INSTANCE_LOCK):
        if other := owner(home):
            raise refusal(home, other)
        write_atomic(path, f"{me.line()}\n".encode())


def refusal(home: Path, other: str) -> AnothersHistory:
    """Returns the error that says that ``other`` writes a history, and the remedy."""
    return AnothersHistory(
        f"{home} is written by {other}, and a history that SQLite keeps can be written by one machine only:"
        f" do this on {other}, or keep the history in PostgreSQL ($BLUT_DATABASE) for several machines; if it"
        f" was moved here for good, and nothing works with it on {other} any more, remove {home / HOST}"
    )
