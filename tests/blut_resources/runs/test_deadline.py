"""What people write as a deadline, and the moment that it stands for."""

import datetime as dt
import time
import zoneinfo

import pytest

from blut_resources.runs.deadline import RunDeadline, in_zone, parse_deadline, uptime

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def at(said: str, asked: dt.datetime) -> dt.datetime:
    found = parse_deadline(said).at(asked.timestamp())
    assert found is not None
    return dt.datetime.fromtimestamp(found, BERLIN)


@pytest.mark.parametrize(
    ("said", "asked", "meant"),
    [
        ("07:30 Europe/Berlin", dt.datetime(2026, 11, 30, 23, 0), dt.datetime(2026, 12, 1, 7, 30)),
        ("07:30 Europe/Berlin", dt.datetime(2026, 12, 1, 7, 29, 59), dt.datetime(2026, 12, 1, 7, 30)),
        ("07:30 Europe/Berlin", dt.datetime(2026, 12, 1, 7, 30), dt.datetime(2026, 12, 2, 7, 30)),
        ("6:30 UTC", dt.datetime(2026, 12, 1, 1, 0), dt.datetime(2026, 12, 1, 7, 30)),
        ("07:30 Europe/Berlin", dt.datetime(2026, 10, 24, 23, 0), dt.datetime(2026, 10, 25, 7, 30)),
        ("2026-12-01T07:30 Europe/Berlin", dt.datetime(2026, 11, 1), dt.datetime(2026, 12, 1, 7, 30)),
        ("2026-12-01 06:30:00Z", dt.datetime(2026, 11, 1), dt.datetime(2026, 12, 1, 7, 30)),
    ],
)
def test_a_time_of_day_is_the_next_one_and_a_date_is_that(
    said: str, asked: dt.datetime, meant: dt.datetime
) -> None:
    assert at(said, asked.replace(tzinfo=BERLIN)) == meant.replace(tzinfo=BERLIN)


def test_without_a_zone_it_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dt.datetime(2026, 11, 30, 23, 0, tzinfo=BERLIN)
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # a rule has no name that anybody could look up
    time.tzset()
    try:
        assert at("07:30", asked) == dt.datetime(2026, 12, 1, 7, 30, tzinfo=BERLIN)
        assert at("2026-12-01T07:30", asked) == dt.datetime(2026, 12, 1, 7, 30, tzinfo=BERLIN)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_policy_puts_its_zone_to_a_time_on_the_clock_that_has_none() -> None:
    assert in_zone("07:30", "Europe/Berlin") == "07:30 Europe/Berlin"
    assert in_zone("2026-12-01T07:30", "Europe/Berlin") == "2026-12-01T07:30 Europe/Berlin"
    for said in ("8h", "07:30 UTC", "2026-12-01T07:30+01:00"):
        assert in_zone(said, "Europe/Berlin") == said


def test_a_clock_that_is_set_by_a_day_ends_no_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDeadline(parse_deadline("8h"), time.time(), uptime())
    monkeypatch.setattr(time, "time", lambda real=time.time: real() + 86400)
    monkeypatch.setattr(time, "clock_gettime", lambda _: time.time())  # as faketime does
    assert not run.words() and 8 * 3600 - 60 < run.left() <= 8 * 3600
    assert "8h" in RunDeadline(parse_deadline("8h"), 0.0, uptime() - 8 * 3600).words()


@pytest.mark.parametrize("said", ["soon", "0", "-1h", "25:00", "2026-12-01", "07:30 Europe/Nowhere", ""])
def test_what_is_no_deadline_is_refused_with_what_would_do(said: str) -> None:
    with pytest.raises(ValueError, match=r"8h|more than zero"):
        parse_deadline(said)


def test_only_a_date_can_have_passed_for_good() -> None:
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC).timestamp()
    assert parse_deadline("2026-11-30T23:59:59Z").gone_by(now)
    for said in ("2026-12-01T00:00:01Z", "23:59 UTC", "1s"):
        assert not parse_deadline(said).gone_by(now)
