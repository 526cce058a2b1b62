"""Finds the times that a cron expression names, by the rules by which Dagster's own schedules tick.

Public API evaluates schedules but tells no times. When it changes, look at ``dagster._utils.schedules``.
"""

import datetime as dt

from dagster._utils.schedules import (
    get_latest_completed_cron_tick,
    get_next_cron_tick,
    is_valid_cron_schedule,
)


def newest_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime:
    """Returns the newest time up to ``now`` that a cron expression names."""
    return get_latest_completed_cron_tick(cron, now, zone)


def first_tick(cron: str, now: dt.datetime, zone: str) -> dt.datetime | None:
    """Returns the first time from ``now`` on that a cron expression names; None if it is not one.

    Raises:
        Exception: it names a date that never comes; the parser has errors of its own for that.
    """
    return get_next_cron_tick(cron, now, zone) if is_valid_cron_schedule(cron) else None
