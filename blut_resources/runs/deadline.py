"""Says until when a run may work: so long from its start, or until a time on the clock."""

import contextlib
import datetime as dt
import re
import time
import zoneinfo
from dataclasses import dataclass
from pathlib import Path

from blut_resources.machine.amounts import LimitsError, parse_duration

WORD = "deadline"
"""How a run has ended that was ended by it, and the name of the argument."""
FORMS = 'say how long, such as "8h", or when, such as "07:30" or "2026-12-01T07:30"'
_ZONED = re.compile(r"(.*\d)\s+([A-Za-z][\w+/-]*)")
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")
DAY = dt.timedelta(days=1)


class DeadlinePassed(Exception):
    """Says that a run has reached its deadline; the message says which, and that it can go on."""

    cause = WORD


@dataclass(frozen=True)
class Deadline:
    """Holds a deadline as somebody has said it; one of the three is given.

    Attributes:
        said: in the words of whoever set it.
        seconds: from the start of the run, with the time in which the machine slept.
        daily: a time of day, of which the next one after the run was asked for is meant.
        moment: a date and time; without a zone, of this machine's.
        zone: of the time of day; this machine's own if None.
    """

    said: str
    seconds: float | None = None
    daily: dt.time | None = None
    moment: dt.datetime | None = None
    zone: zoneinfo.ZoneInfo | None = None

    def at(self, asked: float) -> float | None:
        """Returns the time on the clock, in seconds since 1970; None for a duration.

        Args:
            asked: when the run was asked for, in seconds since 1970.
        """
        if self.moment is not None:
            return self.moment.timestamp()
        if self.daily is None:
            return None
        now = dt.datetime.fromtimestamp(asked, self.zone)
        first = dt.datetime.combine(now.date(), self.daily, self.zone)
        return next(one for one in (first.timestamp(), (first + DAY).timestamp()) if one > asked)

    def gone_by(self, now: float) -> bool:
        """Says whether it lies in the past for good: a date and time that no run can meet."""
        return self.moment is not None and self.moment.timestamp() <= now


def parse_deadline(text: str) -> Deadline:
    """Returns the deadline that a text says.

    Raises:
        ValueError: it says none; what would do.
    """
    said = text.strip()
    try:
        return Deadline(said, seconds=parse_duration(said))
    except LimitsError as error:
        if "more than zero" in str(error):
            raise ValueError("must be more than zero; leave it out for none") from None
    try:
        return _clock(said)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
        raise ValueError(f"not a deadline; {FORMS}; a zone may follow: 07:30 Europe/Berlin") from None


def _clock(said: str) -> Deadline:
    zoned = _ZONED.fullmatch(said)
    text, zone = (zoned[1].strip(), zoneinfo.ZoneInfo(zoned[2])) if zoned else (said, None)
    if found := _TIME.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in found.groups())
        return Deadline(said, daily=dt.time(hour, minute, second), zone=zone)
    if len(text) <= len("2026-12-01"):  # a day alone: its begin or its end?
        raise ValueError
    moment = dt.datetime.fromisoformat(text)
    if zone and moment.tzinfo:
        raise ValueError
    return Deadline(said, moment=moment.replace(tzinfo=zone) if zone else moment)


def in_zone(text: str, zone: str) -> str:
    """Returns a deadline in whose words the zone stands, where it is a time on the clock without one."""
    one = parse_deadline(text)
    unzoned = one.zone is None and (one.daily or (one.moment and one.moment.tzinfo is None))
    return f"{one.said} {zone}" if unzoned else text


def uptime() -> float:
    """Returns the seconds since this machine was started, sleep included: no clock that is set changes it.

    By the kernel's file: what sets the clock of single processes, such as faketime, changes the call too.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return float(Path("/proc/uptime").read_text().split()[0])
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class RunDeadline:
    """Holds the deadline of one run.

    Attributes:
        asked: when somebody asked for the run, in seconds since 1970.
        started: what `uptime` was when it started.
    """

    deadline: Deadline
    asked: float
    started: float

    def left(self) -> float:
        """Returns the seconds until then; 0 or less if it has come."""
        at = self.deadline.at(self.asked)
        if at is not None:
            return at - time.time()
        return (self.deadline.seconds or 0.0) - (uptime() - self.started)

    def words(self) -> str:
        """Returns that it has come, and what is to be done; empty as long as it has not."""
        if self.left() > 0:
            return ""
        what = "from its start" if self.deadline.seconds is not None else "on the clock"
        return (
            f"the deadline of its run has come ({self.deadline.said} {what}): run it again with a later one,"
            " and it goes on from there"
        )
