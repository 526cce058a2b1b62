"""Reads the clock times and cron expressions of policies."""

import datetime as dt
from typing import Any

from sensors.policy.zones import zone_of

SECOND = dt.timedelta(seconds=1)
NAMED = {
    **{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0"},
    **{"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"},
}
"""Words that cron has for five fields."""
REMEDY = 'give five fields, minute to day of the week, such as "0 3 * * 0" for Sundays at 3'


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


def last_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime:
    """Returns the newest time up to ``now`` that a cron expression names.

    Raises:
        ValueError: it names none.
    """
    return _tick(cron, now + SECOND, zone, reverse=True)


def next_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime:
    """Returns the first time from ``now`` on that a cron expression names.

    Raises:
        ValueError: it names none.
    """
    return _tick(cron, now - dt.timedelta(microseconds=1), zone, reverse=False)


def _tick(cron: str, moment: dt.datetime, zone: str, *, reverse: bool) -> dt.datetime:
    """Returns the first whole second after a moment, or the last before it, that an expression names."""
    from cronsim import CronSim, CronSimError

    expression = NAMED.get(cron.strip().lower(), cron)
    if len(expression.split()) != 5:
        raise ValueError(f"no cron expression; {REMEDY}")
    start = moment.astimezone(zone_of(zone)).replace(microsecond=0)
    try:
        return next(CronSim(expression, start, reverse=reverse)).astimezone(dt.UTC)
    except StopIteration:
        raise ValueError(f"it names no time in fifty years; {REMEDY}") from None
    except CronSimError as error:
        raise ValueError(f"no cron expression: {str(error).lower()}; {REMEDY}") from None


def span(duration: dt.timedelta) -> str:
    """Returns text such as ``3 d``, ``2 h 5 min``, ``40 s``."""
    seconds = round(duration.total_seconds())
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"
