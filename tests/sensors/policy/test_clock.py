"""Times that a cron expression names are those at which cron starts something, in the policy's zone."""

import datetime as dt

import pytest

from sensors.policy.clock import last_tick, next_tick

NOON = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("cron", "zone", "last", "following"),
    [
        ("0 3 * * *", "Europe/Berlin", at(2026, 3, 1, 2), at(2026, 3, 2, 2)),
        ("0 3 * * 0", "UTC", at(2026, 3, 1, 3), at(2026, 3, 8, 3)),
        ("0 3 * * 7", "UTC", at(2026, 3, 1, 3), at(2026, 3, 8, 3)),
        ("*/15 * * * *", "UTC", NOON, NOON),
        ("@daily", "UTC", at(2026, 3, 1), at(2026, 3, 2)),
        ("0 0 29 2 *", "UTC", at(2024, 2, 29), at(2028, 2, 29)),
        ("0 0 13 * FRI", "UTC", at(2026, 2, 27), at(2026, 3, 6)),
        ("30 2 29 3 *", "Europe/Berlin", at(2025, 3, 29, 1, 30), at(2026, 3, 29, 1, 0)),
    ],
)
def test_ticks_are_those_of_cron_in_the_zone(
    cron: str, zone: str, last: dt.datetime, following: dt.datetime
) -> None:
    """The last is on a night on which the clock jumps over the time: it is due right after the jump."""
    assert (last_tick(cron, NOON, zone), next_tick(cron, NOON, zone)) == (last, following)


def test_a_tick_at_this_moment_is_the_last_and_the_next_one() -> None:
    later, earlier = NOON + dt.timedelta(microseconds=1), NOON - dt.timedelta(microseconds=1)
    noon = "0 12 * * *"
    assert last_tick(noon, later, "UTC") == NOON == next_tick(noon, earlier, "UTC")
    assert last_tick(noon, earlier, "UTC") == NOON - dt.timedelta(days=1)
    assert next_tick(noon, later, "UTC") == NOON + dt.timedelta(days=1)


@pytest.mark.parametrize("cron", ["0 3 * *", "61 * * * *", "0 0 30 2 *", "", "0 0 0 3 * *", "never", "@boot"])
def test_what_names_no_time_is_refused_with_a_remedy(cron: str) -> None:
    with pytest.raises(ValueError, match="give five fields"):
        next_tick(cron, NOON, "UTC")
