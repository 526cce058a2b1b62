"""How often a policy starts, and when it does next: what is said is what the decision then does."""

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.policy.decide import Attempt, Data, History, Machine, Run, decide
from sensors.policy.fields import Policy
from sensors.policy.forecast import how_often, next_start, outside, remarks

NOW = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def policy(**fields: object) -> Policy:
    return Policy.model_validate({"enabled": True, "recipe": "r", "time_zone": "UTC", **fields})


def ended(when: dt.datetime, outcome: str = "success", hours: float = 1) -> Attempt:
    return Attempt("0123abcd", when - dt.timedelta(hours=hours), when, outcome, "old")  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_nightly_is_every_night_also_when_the_clock_changes_and_the_training_is_long(zone: str) -> None:
    nightly = policy(schedule="0 3 * * *", time_zone=zone)
    moment, attempts, starts = NOW, tuple[Attempt, ...](), list[dt.datetime]()
    while len(starts) < 400:
        found = next_start(nightly, History(attempts, NOW), moment)
        assert found.at is not None
        starts.append(found.at)
        moment = found.at + dt.timedelta(hours=8)
        attempts = (ended(moment, hours=8),)
    assert {(b - a) // dt.timedelta(hours=1) for a, b in itertools.pairwise(starts)} <= {
        23,
        24,
        25,
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schedule": "0 3 * * *"}, "at most once in 23 h (schedule 0 3 * * *)"),
        ({"schedule": "0 3 * * *", "cooldown": "7d"}, "at most once in 7 d (its cooldown)"),
        ({"schedule": "0 3 1 * *", "new_rows": 5}, "at most once in 7 d (cooldown, none is set)"),
        ({"max_age": "1d"}, "at most once in 7 d (cooldown, none is set)"),
        ({"schedule": "@hourly"}, "at most once in 1 h (schedule @hourly), and 4 times in 24 hours"),
        ({"max_age": "1d", "cooldown": 0}, "at most 4 times in 24 hours"),
    ],
)
def test_how_often_at_most_is_said_with_what_bounds_it(fields: dict[str, object], words: str) -> None:
    found = policy(**{"time_zone": "Europe/Berlin", **fields})
    assert how_often(found, NOW).startswith(words)


def test_a_cooldown_above_the_schedule_and_times_outside_of_the_hours_are_named() -> None:
    (line,) = remarks(policy(schedule="0 3 * * *", cooldown="7d"), NOW)
    assert "cooldown = 7 d is longer than the 1 d between" in line and "at most once in 7 d" in line
    assert remarks(policy(schedule="0 3 * * *", cooldown="20h"), NOW) == []
    partly = policy(schedule="0 */3 * * *")
    (line,) = remarks(partly, NOW)
    assert (
        "2562 of the 2928 times" in line
        and "start_hours = 02:00 to 06:00" in line
        and not outside(partly, NOW)
    )
    never = policy(schedule="30 7 * * *")
    assert "'30 7 * * *', at 07:30, never falls within start_hours = 02:00 to 06:00" in outside(never, NOW)
    assert "which hold where none are given" in outside(never, NOW)
    assert not outside(policy(schedule="30 7 * * *", start_hours=["07:00", "08:00"]), NOW)
    assert not outside(policy(schedule="30 7 * * *", start_hours=[]), NOW)


@pytest.mark.parametrize(
    ("fields", "attempts", "words"),
    [
        ({"schedule": "0 3 * * *"}, (), "2026-05-02 03:00 (UTC), scheduled (0 3 * * *)"),
        ({"schedule": "30 7 * * *"}, (), "2026-05-03 02:00 (UTC), scheduled (30 7 * * *)"),
        ({"new_rows": 5}, (ended(NOW),), "2026-05-09 02:00 (UTC), as soon as there are 5 new rows"),
        ({"max_age": "9d"}, (ended(NOW),), "2026-05-11 02:00 (UTC), max_age of 9 d, if something is new"),
        ({"max_age": "9d"}, (ended(NOW, "failure"),), "2026-05-02 02:00 (UTC), there was none yet"),
        ({"max_age": "9d", "start_hours": ["03:00", "03:00"]}, (), "never: start hours are 03:00 to 03:00"),
        (
            {"schedule": "0 * * * *", "start_hours": [], "max_runs_per_day": 1},
            (ended(NOW - 3 * MINUTE),),
            "2026-05-02 10:57 (UTC), scheduled (0 * * * *), if something is new",
        ),
    ],
)
def test_the_next_real_start_considers_what_holds_it_up(
    fields: dict[str, object], attempts: tuple[Attempt, ...], words: str
) -> None:
    found = next_start(policy(**fields), History(attempts, NOW), NOW)
    assert found.words.startswith(words)


windows = st.tuples(st.times(), st.times()).map(lambda pair: [f"{one:%H:%M}" for one in pair])
policies = st.builds(
    policy,
    schedule=st.sampled_from(["0 3 * * *", "30 2 * * 1", "*/20 1-3 * * *", "0 0 1 * *"]),
    max_age=st.none() | st.sampled_from(["1h", "3d"]),
    cooldown=st.none() | st.sampled_from(["0", "1h", "30h"]),
    backoff=st.sampled_from(["10m", "5h"]),
    start_hours=st.just([]) | windows,
    max_runs_per_day=st.integers(1, 3),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)
moments = st.datetimes(dt.datetime(2026, 3, 1), dt.datetime(2026, 11, 30), timezones=st.just(dt.UTC))


@given(policies, moments, st.lists(st.sampled_from(["success", "failure", "cancelled"]), max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_decision_starts_it_then_and_not_a_moment_before(
    policy: Policy, now: dt.datetime, outcomes: list[str]
) -> None:
    now = now.replace(microsecond=0)
    attempts = tuple(ended(now - (n + 1) * dt.timedelta(hours=7), o, 0.5) for n, o in enumerate(outcomes))
    history, fresh = History(attempts, now - dt.timedelta(days=2)), Data("new")
    found = next_start(policy, history, now)
    if found.at is None:
        return

    def runs(moment: dt.datetime) -> bool:
        return isinstance(decide("p", policy, history, moment, Machine(), fresh), Run)

    assert runs(found.at)
    assert found.at == now or not runs(found.at - dt.timedelta(seconds=1))
