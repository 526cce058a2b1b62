"""Holds what cancels a run from the cockpit: it says what is lost, and does it in a thread of its own."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from blut_assets.terminal.output import duration

WITHIN_S = 3.0
"""Seconds within which the second key has to come."""


def lost(row: Mapping[str, Any], now: float) -> str:
    """Says what a run at work loses that is cancelled now.

    Args:
        row: of the run, as the view of the jobs has it.
        now: seconds since 1970.
    """
    live = row["live"] or {}
    whose = f"cancel {row['id'][:8]} {row['recipe']}"
    if not live.get("asset"):
        return f"{whose}: no asset of it is at work, so nothing is lost"
    at = f"{live['asset']}, {live['at']}" if live["at"] else live["asset"]
    if live["checkpoint"] is None:
        return f"{whose}: {at}: no checkpoint yet, {duration(max(0.0, now - live['since']))} of work are lost"
    return f"{whose}: {at}: {duration(max(0.0, now - live['checkpoint']))} since its last checkpoint are lost"


def cancel(run_id: str, state: str, tell: Callable[[str], object]) -> None:
    """End a run as `blut cancel` does, and tell in a sentence what was done, from another thread.

    Its payloads get the time that they were started with to write a checkpoint.
    """
    threading.Thread(target=_cancel, args=(run_id, state, tell), name="blut-cancel", daemon=True).start()


def _cancel(run_id: str, state: str, tell: Callable[[str], object]) -> None:
    from blut_assets.cli.cockpit.reader import sentence
    from blut_resources.alive import cancel_run, find_run
    from blut_resources.instance.instance import open_instance

    begun = time.monotonic()
    try:
        with open_instance(write=False) as instance:
            said = cancel_run(instance, find_run(instance, run_id), state=state)
    except Exception as error:  # whatever it is, it is the answer
        tell(sentence(error))
        return
    tell(f"{said} (after {duration(time.monotonic() - begun)})")
