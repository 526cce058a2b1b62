"""Reads the clock times, time zones and cron expressions of policies."""

import datetime as dt
import os
import zoneinfo
from pathlib import Path
from typing import Any

LOCALTIME = Path("/etc/localtime")


def parse_window(value: Any) -> tuple[dt.time, dt.time] | None:
    """Returns ``["22:00", "06:00"]`` as two times of day; None for an empty list.

    Raises:
        ValueError: saying what would do.
    """
    if value is None or value == []:
        return None
    remedy = 'give two times of day, such as ["22:00", "06:00"], or [] for any hour'
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(remedy)
    return _time_of_day(value[0], remedy), _time_of_day(value[1], remedy)


def _time_of_day(value: Any, remedy: str) -> dt.time:
    if isinstance(value, dt.time):
        return value.replace(second=0, microsecond=0)
    try:
        return dt.datetime.strptime(value, "%H:%M").time()
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is no time of day; {remedy}") from None


def in_window(window: tuple[dt.time, dt.time], moment: dt.time) -> bool:
    """Says whether a time of day lies within; the start belongs to it, the end does not.

    It may span midnight.
    """
    start, end = window
    if start <= end:
        return start <= moment < end
    return moment >= start or moment < end


def local_zone() -> str:
    """Returns the IANA name of this machine's time zone; UTC where it has no name."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        _, _, named = str(LOCALTIME.resolve()).partition("/zoneinfo/")
    try:
        return zoneinfo.ZoneInfo(named).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"


def last_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime:
    """Returns the newest time up to ``now`` that a cron expression names."""
    from blut_resources.dagster_private.cron import newest_tick

    return newest_tick(cron, now, zone)


def next_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime:
    """Returns the first time from ``now`` on that a cron expression names.

    Raises:
        ValueError: it names none.
    """
    from blut_resources.dagster_private.cron import first_tick

    try:
        if found := first_tick(cron, now, zone):
            return found
    except Exception as error:  # the parser raises errors of its own for dates that never come
        raise ValueError(f"{error}; {_FIVE}") from None
    raise ValueError(f"no cron expression; {_FIVE}")


_FIVE = 'give five fields, minute to day of the week, such as "0 3 * * 0" for Sundays at 3'


def span(duration: dt.timedelta) -> str:
    """Returns text such as ``3 d``, ``2 h 5 min``, ``40 s``."""
    seconds = round(duration.total_seconds())
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
