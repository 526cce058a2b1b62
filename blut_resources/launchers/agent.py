"""Holds a payload on the node of its job: ``python -m blut_resources.launchers.agent PLACE``.

It checks that the code here is the code that was ordered, starts the payload in a unit of its own as this
machine would hold any other, and says how it ended. Nothing of Dagster is imported.
"""

# Why each start of the job has a number of its own: a scheduler starts a job again after a node was lost or
# taken away, and it may be wrong about the loss. The newest start writes its number into `attempt.json`;
# an older one that still lives looks there at each beat, and ends what it has. Until then both have other
# files: nothing that the older one writes is read any more. Only a number that was read ends an attempt at
# once: a share may be away for a moment, and a place that is not seen is no newer start. Without its place
# for PATIENCE_S an attempt ends too: nobody can want it any more. Where the share is seen without the place,
# that was removed with its result: a newer start may be done before the older one looks.
#
# SIGTERM may mean that a person cancels, that a more urgent job needs the node, or that an administrator
# ends the job. The agent cannot know: it lets the payload end in its grace period, and writes who asked as
# far as it knows (`asked`). Whoever waits asks the scheduler for the rest. The end of the time that was asked
# for comes as another signal, SIGUSR1.

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blut_resources.containment.launching import launch
from blut_resources.containment.limits import Limits
from blut_resources.containment.outcome import Outcome
from blut_resources.containment.unit import ContainmentError, Unit
from blut_resources.files.durable import StoreError
from blut_resources.launchers import node
from blut_resources.launchers.files import (
    ATTEMPT,
    BEAT,
    BEAT_S,
    CANCEL,
    LAUNCH,
    NO_SHARE,
    NOT_STARTED,
    REFUSED,
    SCHEMA,
    UP,
    attempt_dir,
    newest_attempt,
    outcome_file,
    write_durable,
)
from blut_resources.machine import wire

PATIENCE_S = 600.0
"""Seconds for which a share may be away, or full: an attempt goes on, and tries to say how it has ended."""
ORDER_S, GONE_S = 30.0, 3.0
"""Seconds for which a job looks for its order where the share is not there, and where it is: it may show that
late. For the latter it also looks for a place that it had.
"""
FENCED = 98
"""Exit status of a job that a newer start has replaced."""


class NodeAgent:
    """Runs one attempt at an order, and answers for it."""

    def __init__(self, place: Path, order: dict[str, Any]) -> None:
        """Take the next number: from now on an older attempt that still lives is to end."""
        self._place, self._launch = place, order
        self._asked = ""
        self._unit: Unit | None = None
        self._gauges: Any = None
        self._seen: dict[str, Any] = {}
        self._is_up, self._missed_at = False, 0.0
        self._number = self._take_number()
        self._dir = attempt_dir(place, self._number)
        self._me = {"attempt": self._number, "node": os.uname().nodename, "pid": os.getpid()}
        self._me |= {"job": _job(), "time": time.time()}
        wire.reserve(str(outcome_file(place, self._number)))
        write_durable(place / ATTEMPT, self._me)

    def _take_number(self) -> int:
        """Returns the first number that no attempt has, and makes its directory: one of two gets it."""
        number = 0
        while True:
            try:
                attempt_dir(self._place, number).mkdir(mode=0o700)
            except FileExistsError:
                number += 1
            else:
                return number

    def refusal(self) -> str:
        """Says why the payload must not start here; empty if it may."""
        if different := node.differs(self._launch, self._place):
            return different
        found, wanted = node.environment(), self._launch["environment"]
        names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
        other = [f"{name} is {found.get(name)} there and {wanted.get(name)} here" for name in names]
        if other and self._launch["strict"]:
            return (
                f"{self._launch['module']} was not started: {self._me['node']} has another environment, and"
                f" the profile says environment = strict: {', '.join(other)}"
            )
        self._me["environment"] = "; ".join(other)
        return ""

    def run(self) -> int:
        """Run the payload to its end; returns the exit status of the job."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end("term"))
        signal.signal(signal.SIGUSR1, lambda *_: self._end("time"))
        if said := self.refusal():
            return self._refuse(said)
        order = self._launch
        try:
            command, env = node.prepare(order, self._place, self._dir)
            self._unit = launch(
                command,
                env=env,
                cwd=Path(order["cwd"]),
                limits=Limits(**order["limits"]),
                place=self._dir,
                name=order["name"],
                grace_s=order["grace_s"],
                isolation=node.moved(order, self._place, self._dir).all(order["isolation"]),
                telling_s=PATIENCE_S,
            )
        except (ContainmentError, StoreError) as error:
            return self._refuse(str(error))
        except OSError as error:
            return self._tell(asdict(Outcome("lost", detail=f"it could not be started: {error}")))
        with self._unit as unit:
            if self._asked:
                unit.terminate()  # it was asked to end before there was anything
            return self._follow(unit)

    def _follow(self, unit: Unit) -> int:
        poll = select.poll()
        poll.register(unit.fileno(), select.POLLIN)
        while True:
            if not self._counts():
                unit.kill()
                unit.wait()
                return FENCED
            self._beat(unit)
            if poll.poll(BEAT_S * 1000):
                break
        outcome = asdict(unit.wait())
        if self._asked == "time" and outcome["kind"] == "cancelled":
            outcome |= {"kind": "timeout", "detail": "the time that its job was given is over"}
        return self._tell(outcome)

    def _tell(self, outcome: dict[str, Any]) -> int:
        """Write down how this attempt has ended; returns the exit status of the job."""
        said = {**self._me, **outcome, "asked": self._asked, "ended": time.time()}
        if not self._write(lambda: wire.write_last(str(outcome_file(self._place, self._number)), said)):
            return FENCED
        return 0 if outcome["kind"] == "ok" else 1

    def _write(self, write: Callable[[], object]) -> bool:
        """Write what has to be known of this attempt, as soon as the share takes it; says whether it counts.

        Raises:
            OSError: the share has not taken it for `PATIENCE_S`.
        """
        ends, said = time.monotonic() + PATIENCE_S, False
        while self._counts():
            try:
                write()
                return True
            except OSError as error:
                if time.monotonic() > ends:
                    raise
                if not said:
                    _print(f"{self._place}: {error.strerror}; for {PATIENCE_S:g} s it is tried again")
                    said = True
            time.sleep(BEAT_S)
        return False

    def _counts(self) -> bool:
        """Says whether no newer attempt has begun, and this one has its place or may have it again."""
        try:
            newest = newest_attempt(self._place)
            if newest is None and not self._place.exists():
                self._missed_at = self._missed_at or time.monotonic()
                patience = GONE_S if _works(self._place).is_dir() else PATIENCE_S
                return time.monotonic() - self._missed_at < patience
            self._missed_at = 0.0
            if newest is None or newest < self._number:  # an older attempt wrote its number late
                write_durable(self._place / ATTEMPT, self._me)
        except OSError:  # a share that is away for a moment says nothing
            return True
        return newest is None or newest <= self._number

    def _beat(self, unit: Unit) -> None:
        """Say that it lives, and what the payload takes; end it if the run has asked for that."""
        with contextlib.suppress(OSError):
            if wire.read(self._place / CANCEL) and not self._asked:
                self._end("cancel")
            if not self._is_up:
                self._say_up(unit)
            if events := self._gauges.events():
                self._seen = {"at": time.time(), "seen": events}
            facts = {"attempt": self._number, "time": time.time(), "peak": unit.peak()}
            wire.write(self._place / BEAT, {**facts, "broken": unit.broken(), **self._seen})

    def _say_up(self, unit: Unit) -> None:
        from blut_resources.launchers.gauges import Gauges

        self._gauges = self._gauges or Gauges(self._dir, _granted(), unit.peak)
        up = {**self._me, "started": time.time(), "enforcement": asdict(unit.enforcement)}
        write_durable(self._place / UP, up)
        self._is_up = True

    def _end(self, asked: str) -> None:
        """Let the payload end, with its grace period."""
        told = None
        with contextlib.suppress(OSError):
            told = wire.read(self._place / CANCEL)
        self._asked = "cancel" if told else self._asked or asked
        if self._unit is None:
            return
        if told and told.get("grace_s") is not None:
            from blut_resources.containment.supervisor import GRACE

            with contextlib.suppress(OSError):  # then it has the grace period of its order
                wire.write(self._dir / GRACE, {"grace_s": told["grace_s"]})
        self._unit.terminate()

    def _refuse(self, said: str) -> int:
        _print(said)
        told = {**self._me, "said": said}
        return NOT_STARTED if self._write(lambda: write_durable(self._place / REFUSED, told)) else FENCED


def _print(said: str) -> None:
    with contextlib.suppress(OSError):  # what is printed goes to the share too
        print(said, file=sys.stderr, flush=True)


def _job() -> str:
    """Returns the id of the job, as its scheduler gave it: of one in an array, that and its number there."""
    array, number = (os.environ.get(f"SLURM_ARRAY_{name}_ID", "") for name in ("JOB", "TASK"))
    return f"{array}_{number}" if number else os.environ.get("SLURM_JOB_ID", "")


def _granted() -> list[int]:
    """Returns the indices of the GPUs that the job was given."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [int(number) for number in given.split(",") if number.strip().isdecimal()]


def _is_over(place: Path) -> bool:
    """Says whether nobody wants another attempt: it was cancelled, or has its result already."""
    number = newest_attempt(place)
    ended = None if number is None else wire.read(outcome_file(place, number))
    return bool(wire.read(place / CANCEL) or (ended and ended["kind"] == "ok"))


def _order(place: Path) -> dict[str, Any] | None:
    """Returns what is ordered in a place; None if nothing is, also after a while.

    Raises:
        OSError: the share is not there, or not to be used.
    """
    begun, works = time.monotonic(), _works(place)
    while True:
        trouble: OSError | None = None
        try:
            if order := wire.read(place / LAUNCH):
                return order
            _look_anew(next((one for one in (place, place.parent) if one.is_dir()), works))
        except OSError as error:
            trouble = error
        waited = time.monotonic() - begun
        if trouble is None and waited > GONE_S:
            return None
        if trouble and waited > ORDER_S:
            raise trouble
        time.sleep(1.0)


def _works(place: Path) -> Path:
    """Returns the directory of a store that holds what is being worked on."""
    return place.parents[1]


def _look_anew(directory: Path) -> None:
    """Make and remove something in a directory: a client of a share that remembers what was not in there
    asks the server again. Raises OSError.
    """
    path = directory / f".{os.uname().nodename}.{os.getpid()}"
    path.mkdir(mode=0o700)
    path.rmdir()


def main() -> int:
    """Run what is ordered in a place; returns the exit status of the job."""
    place = Path(sys.argv[1])
    try:
        return _run(place)
    except OSError as error:
        _print(f"{os.uname().nodename} does not see {place}, or cannot write there: {error}")
        return NO_SHARE


def _run(place: Path) -> int:
    order = _order(place)
    if order is None or order["key"] != sys.argv[2]:
        _print(f"{place}: there is no order any more, so nothing was started")
        return NOT_STARTED
    if order["schema"] != SCHEMA:
        _print(f"{place}: was ordered by another version of Blut; use the same on both sides")
        return NOT_STARTED
    return FENCED if _is_over(place) else NodeAgent(place, order).run()


if __name__ == "__main__":
    sys.exit(main())
