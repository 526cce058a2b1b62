"""Waits for a database that does not answer: whoever executes a run, for minutes; whoever only looks, hardly.

A training does not end by a server that is started anew. Meanwhile its payload goes on, and what it says is
in a file: nothing is lost by a step that waits here, and what it stores comes in order.
"""

import os
import sys
import time

from blut_resources.database.address import Address
from blut_resources.database.troubles import DatabaseAway, is_away, told
from blut_resources.machine.amounts import parse_duration
from blut_resources.settings import origin, settings

WAIT = "BLUT_DATABASE_WAIT"
RUN_S = 300.0
"""Seconds for which a run waits, unless that variable says otherwise."""
LOOK_S = 2.0
"""Seconds for which others do: a server that is busy may refuse a connection for a moment."""
FIRST_S, LONGEST_S = 0.1, 2.0

_runs: set[str] = set()
_over: set[str] = set()
"""Databases that were waited for in vain: what is to be stored next would be, too."""


def wait_for(run_id: str) -> None:
    """Have this process be patient: it works for a run."""
    _runs.add(run_id)


def no_longer(run_id: str) -> None:
    """Have it be patient no more, when it works for none."""
    _runs.discard(run_id)


def is_given_up(address: Address) -> bool:
    """Says whether a database was waited for in vain, and has not answered since."""
    return _key(address) in _over


def _key(address: Address) -> str:
    return f"{os.getpid()} {address.url}"


def longest() -> float:
    """Returns for how many seconds this process waits.

    Raises:
        LimitsError: $BLUT_DATABASE_WAIT is not a duration.
    """
    if not _runs:
        return LOOK_S
    said = settings().get(WAIT, "").strip()
    return parse_duration(said, origin(WAIT)) if said else RUN_S


class DatabaseWait:
    """Waits between attempts to reach a database, until it has been long enough."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._key = _key(address)
        self._begun = time.monotonic()
        self._ends, self._next, self._told = self._begun + longest(), FIRST_S, False

    def after(self, error: BaseException) -> None:
        """Wait a little, so that what failed can be tried again.

        Raises:
            DatabaseTrouble: no wait helps, or it was waited for long enough.
        """
        if not is_away(error):
            raise told(self._address, error) from error
        now = time.monotonic()
        if now >= self._ends or self._key in _over:
            _over.add(self._key)
            waited = f"; it was waited for {now - self._begun:.0f} s" if self._told else ""
            raise DatabaseAway(f"{told(self._address, error)}{waited}") from error
        if _runs and not self._told:
            self._told = True
            most = f"{self._ends - self._begun:.0f} s"
            _say(f"{told(self._address, error)}; the run waits for {most}, its payload goes on")
        time.sleep(min(self._next, max(0.0, self._ends - now)))
        self._next = min(LONGEST_S, 2 * self._next)

    def over(self) -> None:
        """Say that it answers again."""
        _over.discard(self._key)
        if self._told:
            _say(f"{self._address.words} answers again, after {time.monotonic() - self._begun:.0f} s")


def _say(line: str) -> None:
    print(f"blut: {line}", file=sys.stderr)
