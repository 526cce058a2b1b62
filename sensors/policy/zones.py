"""Finds the time zone of this machine as its C library does, by which cron and wall clocks go.

A name such as ``Europe/Berlin`` is best, since it can be shown. Where ``TZ`` is a rule or the path of a file,
or ``/etc/localtime`` a file without a name, the C library is asked what it is for each moment.
"""

import datetime as dt
import functools
import os
import re
import time
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOCALTIME, ZONE_NAME = Path("/etc/localtime"), Path("/etc/timezone")
HERE = "the machine's own"
"""What a zone is called that has no name."""
DAYS = range(-400, 800)
"""Days from today at which a name has to agree with the C library: all changes of the clock that matter."""
BELOW = "/zoneinfo/"
_NAME, _OFFSET = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)", r"[+-]?\d{1,3}(?::\d\d){0,2}"
RULE = re.compile(f"{_NAME}{_OFFSET}(?:{_NAME}(?:{_OFFSET})?(?:,[^,]+,[^,]+)?)?")
"""What POSIX has for TZ, such as ``CET-1CEST,M3.5.0,M10.5.0/3``."""


class _Here(dt.tzinfo):
    """Asks the C library, also on which side of a change of the clock a time that comes twice lies."""

    def utcoffset(self, moment: dt.datetime | None, /) -> dt.timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: dt.datetime | None, /) -> dt.timedelta | None:
        return None

    def tzname(self, moment: dt.datetime | None, /) -> str | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: dt.datetime, /) -> dt.datetime:
        there = moment.replace(tzinfo=dt.UTC).astimezone()
        local = there.replace(tzinfo=self, fold=0)
        return local if local.utcoffset() == there.utcoffset() else local.replace(fold=1)


_HERE = _Here()


def zone_of(name: str) -> dt.tzinfo:
    """Returns the time zone of that name, such as `local_zone` returns one."""
    return _HERE if name.startswith(HERE) else zoneinfo.ZoneInfo(name)


def local_zone() -> str:
    """Returns the IANA name of this machine's time zone, or what stands for it where it has none."""
    text = os.environ.get("TZ")
    for name in _names(text):
        if _agrees(name, text, dt.date.today().toordinal()):
            return name
    if text is None and not LOCALTIME.exists():
        return "UTC"
    return f"{HERE}, {f'TZ={text}' if text is not None else LOCALTIME}"


def unknown_zone() -> str:
    """Says that ``TZ`` names no time zone, which a C library takes for UTC unsaid; empty if it names one."""
    text = os.environ.get("TZ", "")
    named = text.removeprefix(":")
    if not named or _is_file(named) or (not text.startswith(":") and RULE.fullmatch(named)):
        return ""
    return f"TZ={text} names no time zone, and counts as UTC"


def _names(text: str | None) -> Iterator[str]:
    """Yields what the zone may be called, the likeliest first."""
    if text is None:
        yield from _below(LOCALTIME)
        with suppress(OSError, ValueError):
            yield ZONE_NAME.read_text().strip()
    elif named := text.removeprefix(":"):
        yield from (_below(Path(named)) if named.startswith("/") else [named])
    yield "UTC"


def _below(path: Path) -> Iterator[str]:
    """Yields what a file of a zone is called, by its path and by where that leads."""
    for one in (str(path), os.path.realpath(path)):
        _, below, name = one.partition(BELOW)
        if below:
            yield name


def _is_file(named: str) -> bool:
    places = [os.environ.get("TZDIR", ""), *zoneinfo.TZPATH]
    return any(place and _is_of_a_zone(Path(place) / named) for place in places) or _known(named)


def _is_of_a_zone(path: Path) -> bool:
    with suppress(OSError, ValueError), path.open("rb") as file:
        return file.read(4) == b"TZif"
    return False


def _known(name: str) -> bool:
    with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zoneinfo.ZoneInfo(name)
        return True
    return False


@functools.lru_cache(maxsize=16)
def _agrees(name: str, _text: str | None, today: int) -> bool:
    """Says whether a name has the offsets of the C library, which ``TZ`` and the day are looked at for."""
    if not _known(name):
        return False
    zone = zoneinfo.ZoneInfo(name)
    noon = dt.datetime.combine(dt.date.fromordinal(today), dt.time(12), dt.UTC)
    for day in DAYS:
        moment = noon + dt.timedelta(days=day)
        offset = moment.astimezone(zone).utcoffset()
        if offset is None or offset.total_seconds() != time.localtime(moment.timestamp()).tm_gmtoff:
            return False
    return True
