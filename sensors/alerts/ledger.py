"""Keeps what was seen, what the hooks were told and what is still owed: one file of an instance, for the
daemon and for commands alike.

Whoever tells hooks holds its lock meanwhile, and writes down each delivery when it is made: nobody is told
twice because a command and the daemon, or two commands, are at work at once.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from blut_resources.files.durable import StoreError, acquire, release, write_atomic
from sensors.alerts.alert import Alert
from sensors.alerts.scope import AlertScope

FOLDER, FILE, LOCK = "alerts", "state.json", ".lock"
POLL_S = 0.1


class Owed(BaseModel):
    """Holds a delivery that has not succeeded yet."""

    hook: str
    alert: Alert
    since: float
    tries: int = 0
    due: float = 0.0


class Deliveries(BaseModel):
    """Says when a hook was told last, and when and why that failed last; times in seconds since 1970."""

    told: float = 0.0
    failed: float = 0.0
    reason: str = ""


class AlertState(BaseModel):
    """Holds up to where failures were seen, and what is still owed.

    Attributes:
        runs: storage id of the newest run failure that was seen.
        checks: check -> ids of its newest failures that were seen.
        since: of nothing that was before is anybody told; 0 where nobody has begun.
        blocked: policy -> why it cannot be acted on.
        refused: run -> hooks that know of the check which refused it.
        hooks: hook -> its deliveries.
        sweeps: sweep -> how many times it had begun when its end was seen.
        told: in a sensor's cursor, when its code location last did the work.
        off: in a sensor's cursor, that nobody was to be told then.
        own: in a sensor's cursor, what is Blut's in that location.
    """

    runs: int = -1
    checks: dict[str, list[int]] = Field(default_factory=dict)
    since: float = 0.0
    blocked: dict[str, str] = Field(default_factory=dict)
    owed: list[Owed] = Field(default_factory=list)
    refused: dict[str, list[str]] = Field(default_factory=dict)
    hooks: dict[str, Deliveries] = Field(default_factory=dict)
    sweeps: dict[str, int] = Field(default_factory=dict)
    told: float = 0.0
    off: bool = False
    own: AlertScope = AlertScope()


def state_of(text: str) -> AlertState:
    """Returns what a cursor or the file holds; one that has not begun, if that is nothing of Blut's."""
    try:
        return AlertState.model_validate_json(text or "{}")
    except ValidationError:
        return AlertState()


def read(home: Path) -> AlertState:
    """Returns the state of an instance; one that has not begun where there is none."""
    try:
        return state_of((home / FOLDER / FILE).read_text())
    except (OSError, ValueError):
        return AlertState()


def write(home: Path, state: AlertState) -> None:
    """Keep a state.

    Raises:
        StoreError: it cannot be written.
    """
    kept = state.model_dump_json(exclude={"told", "off", "own"}).encode()
    write_atomic(home / FOLDER / FILE, kept, mode=0o600)


def forget(home: Path) -> None:
    """Keep nothing: where nobody is to be told, what happens meanwhile is told to nobody later."""
    (home / FOLDER / FILE).unlink(missing_ok=True)


@contextlib.contextmanager
def held(home: Path, patience_s: float) -> Iterator[bool]:
    """Hold the lock; gives whether it was to be had within so many seconds.

    It counts as held where it cannot be made: a full disk may be what somebody has to be told of.
    """
    ends = time.monotonic() + patience_s
    lock = home / FOLDER / LOCK
    try:
        while (descriptor := acquire(lock, wait=False)) is None and time.monotonic() < ends:
            time.sleep(POLL_S)
    except StoreError:
        yield True
        return
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            release(descriptor)
