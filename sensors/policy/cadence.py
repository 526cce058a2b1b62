"""Counts how close the times of a cron expression lie, and how many a window of hours lets through."""

import datetime as dt
import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from sensors.policy.clock import NAMED, in_window
from sensors.policy.zones import zone_of

YEAR = dt.timedelta(days=366)
"""What is looked at: both changes of the clock, and whatever is named by month or day of the week."""
CLOSE = dt.timedelta(minutes=5)
"""Times closer than this are not searched for closer ones: they repeat within the hour."""
LOOKED_AT = 40_000

Window = tuple[dt.time, dt.time]


class Times(NamedTuple):
    """Says of the times of a schedule in a year how many lie inside of a window, and outside."""

    inside: int
    outside: int
    first_outside: dt.time | None


@functools.lru_cache(maxsize=64)
def closest(cron: str, zone: str, year: int) -> dt.timedelta:
    """Returns the least time between two of a schedule in the year that begins with ``year``.

    Args:
        cron: a valid expression.
        zone: IANA name. Where the clock changes, a day of it has 23 hours.

    Returns:
        At most a year, which also stands for a schedule that comes less often.
    """
    least, before = YEAR, None
    for moment in _times(cron, zone, year):
        now = moment.astimezone(dt.UTC)
        least = min(least, now - before) if before else least
        before = now
        if least <= CLOSE:
            break
    return least


@functools.lru_cache(maxsize=64)
def within(cron: str, zone: str, year: int, window: Window) -> Times:
    """Returns how many times of a schedule in a year lie inside of a window, and outside of it."""
    inside, outside, first = 0, 0, None
    for moment in _times(cron, zone, year):
        if in_window(window, moment.time()):
            inside += 1
        else:
            outside, first = outside + 1, first or moment.time()
    return Times(inside, outside, first)


def _times(cron: str, zone: str, year: int) -> Iterator[dt.datetime]:
    from cronsim import CronSim

    start = dt.datetime(year, 1, 1, tzinfo=zone_of(zone)) - dt.timedelta(seconds=1)
    times = CronSim(NAMED.get(cron.strip().lower(), cron), start)
    return itertools.takewhile(lambda moment: moment - start <= YEAR, itertools.islice(times, LOOKED_AT))
