"""The decision to retrain: over clocks that jump, histories of all kinds, and machines with little left."""

import datetime as dt
import zoneinfo
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.policy.clock import in_window, last_tick
from sensors.policy.decide import Attempt, Data, History, Machine, Run, Wait, decide
from sensors.policy.fields import Policy

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 5, 1, 3, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ROOMY = Machine("/home", 64 << 30, (80 << 30,))
PLENTY = Data("s" * 64, recordings=1000, rows=1000, bytes=1 << 40)


def policy(**fields: object) -> Policy:
    values = {"enabled": True, "recipe": "r", "new_recordings": 10, "start_hours": [], "time_zone": "UTC"}
    return Policy.model_validate({**values, **fields})


def ran(outcome: str, ago: dt.timedelta, subject: str = "old") -> Attempt:
    at = NOW - ago
    return Attempt("0123abcd", at, None if outcome == "running" else at, outcome, subject)  # type: ignore[arg-type]


def why(policy: Policy, *attempts: Attempt, machine: Machine = ROOMY, data: Data = PLENTY) -> str:
    decision = decide("p", policy, History(attempts, NOW - 90 * 24 * HOUR), NOW, machine, data)
    return ("run: " if isinstance(decision, Run) else "wait: ") + decision.reason


@pytest.mark.parametrize(
    ("fields", "attempts", "machine", "data", "words"),
    [
        ({"enabled": False}, [], ROOMY, PLENTY, "wait: off: `blut policy enable`"),
        ({"instance": "/other"}, [], ROOMY, PLENTY, "wait: it belongs to the instance /other"),
        (
            {"start_hours": ["22:00", "02:00"]},
            *([], ROOMY, PLENTY),
            "wait: start hours are 22:00 to 02:00, and it is 03:00",
        ),
        ({"start_hours": ["03:00", "03:00"]}, [], ROOMY, PLENTY, "(equal: never)"),
        ({"start_hours": ["22:00", "03:01"]}, [], ROOMY, PLENTY, "run: 1000 new recordings"),
        (
            {},
            [ran("running", HOUR)],
            ROOMY,
            PLENTY,
            "wait: its run 0123abcd is still going, since 2026-05-01 02:00",
        ),
        ({}, [ran("success", HOUR)], ROOMY, PLENTY, "wait: cooldown of 7 d until 2026-05-08 02:00"),
        ({}, [ran("refused", HOUR)], ROOMY, PLENTY, "refused by its gate, ended 1 h ago"),
        (
            {},
            [ran("failure", HOUR)],
            ROOMY,
            PLENTY,
            "wait: backoff of 2 h until 2026-05-01 04:00: run 0123abcd failed 1 h ago",
        ),
        ({}, [ran("failure", HOUR)] * 3, ROOMY, PLENTY, "backoff of 8 h"),
        ({}, [ran("failure", HOUR)] * 9, ROOMY, PLENTY, "backoff of 7 d"),
        ({"cooldown": 0}, [ran("failure", HOUR / 2)], ROOMY, PLENTY, "backoff of 1 h"),
        (
            {},
            [ran("cancelled", HOUR / 2)],
            ROOMY,
            PLENTY,
            "backoff of 1 h until 2026-05-01 03:30: run 0123abcd was",
        ),
        ({}, [ran("cancelled", HOUR)] * 3, ROOMY, PLENTY, "run: "),
        ({}, [ran("deadline", HOUR / 2)], ROOMY, PLENTY, "run 0123abcd ended at its deadline"),
        ({}, [ran("deadline", HOUR)] * 3, ROOMY, PLENTY, "run: "),
        ({}, [ran("cancelled", HOUR), ran("failure", 3 * HOUR)], ROOMY, PLENTY, "backoff of 2 h"),
        ({}, [ran("failure", 3 * HOUR)], ROOMY, PLENTY, "run: "),
        (
            {"backoff": "1s", "max_runs_per_day": 2},
            [ran("failure", HOUR), ran("failure", 2 * HOUR)],
            *(ROOMY, PLENTY),
            "wait: 2 runs in the last 24 hours, max_runs_per_day is 2",
        ),
        (
            {},
            [],
            replace(ROOMY, busy="run 1 is queued"),
            PLENTY,
            "wait: run 1 is queued",
        ),
        ({"memory_free": "65G"}, [], ROOMY, PLENTY, "memory: 64 GiB are free, memory_free asks for 65 GiB"),
        ({"gpus_free": 2}, [], ROOMY, PLENTY, "GPUs: 1 are free, gpus_free asks for 2"),
        (
            {"gpus_free": 1, "gpu_memory_free": "81G"},
            [],
            ROOMY,
            PLENTY,
            "GPUs: 0 with 81 GiB of memory are free",
        ),
        (
            {},
            [],
            ROOMY,
            Data(problem="no such directory"),
            "wait: the data cannot be looked at: no such directory",
        ),
        (
            {"cooldown": 0},
            [ran("success", HOUR, PLENTY.subject)],
            ROOMY,
            PLENTY,
            "wait: nothing new: run 0123abcd",
        ),
        (
            {"cooldown": 0},
            [ran("refused", HOUR, PLENTY.subject)],
            ROOMY,
            PLENTY,
            "was refused by its gate with",
        ),
        ({}, [], ROOMY, Data("x", recordings=9), "wait: 9 new recordings, 10 are asked for"),
        (
            {"new_recordings": None, "new_rows": 5},
            [],
            ROOMY,
            Data("x", rows=4),
            "wait: 4 new rows, 5 are asked for",
        ),
        ({"new_bytes": "1G"}, [], ROOMY, Data("x", bytes=1 << 30), "run: 1 GiB of new data"),
        ({"max_age": "30d"}, [], ROOMY, Data("x"), "run: there was none yet, max_age is 30 d"),
        ({"max_age": "8d"}, [ran("success", 192 * HOUR)], ROOMY, Data("x"), "run: the last is 8 d old"),
        (
            {"max_age": "9d"},
            [ran("success", 192 * HOUR)],
            ROOMY,
            Data("x"),
            "the last is 8 d old, max_age is 9 d",
        ),
        ({"schedule": "0 3 * * *"}, [], ROOMY, Data("x"), "run: scheduled (0 3 * * *) for 2026-05-01 03:00"),
    ],
)
def test_the_first_reason_is_given_in_words(
    fields: dict[str, object], attempts: list[Attempt], machine: Machine, data: Data, words: str
) -> None:
    assert words in why(policy(**fields), *attempts, machine=machine, data=data)


def test_a_schedule_is_due_once_and_not_for_ticks_before_the_file_was_written() -> None:
    weekly = policy(new_recordings=None, schedule="0 2 * * 5", cooldown=0)  # Fridays, as NOW is, at 2
    assert "run: scheduled" in why(weekly)
    assert "run: scheduled" in why(weekly, ran("failure", 24 * HOUR), ran("success", 5 * 24 * HOUR))
    assert "scheduled (0 2 * * 5) for 2026-05-08 02:00" in why(weekly, ran("success", HOUR / 2))
    fresh = History((), NOW - HOUR / 2)
    assert isinstance(decide("p", weekly, fresh, NOW, ROOMY, PLENTY), Wait)


def test_start_hours_follow_the_clock_on_the_wall_when_it_changes() -> None:
    nightly = policy(start_hours=["02:00", "03:00"], time_zone="Europe/Berlin")

    def open_minutes(day: dt.date) -> int:
        start = dt.datetime.combine(day, dt.time(), BERLIN).astimezone(dt.UTC)
        moments = [start + dt.timedelta(minutes=minute) for minute in range(26 * 60)]
        there = [moment for moment in moments if moment.astimezone(BERLIN).date() == day]
        return sum(isinstance(decide("p", nightly, History(), m, ROOMY, PLENTY), Run) for m in there)

    assert open_minutes(dt.date(2026, 3, 28)) == 60
    assert open_minutes(dt.date(2026, 3, 29)) == 0  # 02:00 to 03:00 does not exist
    assert open_minutes(dt.date(2026, 10, 25)) == 120  # and here it comes twice


@pytest.mark.parametrize("day", [dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 7, 1)])
def test_a_daily_schedule_is_due_once_a_day_also_when_the_clock_changes(day: dt.date) -> None:
    start = dt.datetime.combine(day, dt.time(), BERLIN).astimezone(dt.UTC)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), BERLIN).astimezone(dt.UTC)
    minutes = range(int((end - start).total_seconds() // 60))
    ticks = {last_tick("30 2 * * *", start + dt.timedelta(minutes=m), "Europe/Berlin") for m in minutes}
    assert len([tick for tick in ticks if tick >= start]) == 1


times = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2035, 1, 1), timezones=st.just(dt.UTC))
around_changes = st.builds(
    lambda day, minute: dt.datetime(*day, tzinfo=dt.UTC) + dt.timedelta(minutes=minute),
    st.sampled_from([(2026, 3, 29), (2026, 10, 25), (2027, 3, 28), (2026, 4, 5), (2026, 10, 4)]),
    st.integers(-180, 1620),
)
clock_times = st.times().map(lambda moment: moment.strftime("%H:%M"))
seconds = st.integers(1, 40 * 86400)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
policies = st.builds(
    policy,
    new_recordings=st.none() | st.integers(1, 20),
    max_age=seconds,
    cooldown=seconds | st.just(0),
    backoff=seconds,
    max_runs_per_day=st.integers(1, 5),
    start_hours=st.just([]) | st.tuples(clock_times, clock_times).map(list),
    time_zone=zones,
    schedule=st.none() | st.sampled_from(["0 3 * * *", "30 2 * * *", "*/7 * * * 0", "0 0 29 2 *"]),
)
outcomes = st.sampled_from(["running", "success", "refused", "failure", "cancelled", "deadline"])


@st.composite
def histories(draw: st.DrawFn) -> History:
    """In the order in which runs were made, whatever the clock said then."""
    attempts = []
    for outcome in draw(st.lists(outcomes, max_size=8)):
        started = draw(times)
        ended = None if outcome == "running" else started + dt.timedelta(seconds=draw(st.integers(0, 90_000)))
        attempts.append(Attempt("0123abcd", started, ended, outcome, draw(st.sampled_from("abc"))))  # type: ignore[arg-type]
    return History(tuple(attempts), draw(st.none() | times))


datas = st.builds(Data, subject=st.sampled_from("abcd"), recordings=st.integers(0, 30))


@given(policies, histories(), times | around_changes, datas)
@settings(max_examples=300, deadline=None)
def test_a_retraining_never_breaks_its_policy(
    policy: Policy, history: History, now: dt.datetime, data: Data
) -> None:
    decision = decide("p", policy, history, now, ROOMY, data)
    assert decision.reason.strip() == decision.reason != ""
    assert decision == decide("p", policy, history, now, ROOMY, data)
    if isinstance(decision, Wait):
        return
    attempts = history.attempts
    assert all(a.outcome != "running" for a in attempts)
    assert all(a.subject != data.subject for a in attempts if a.concluded)
    assert sum(a.started > now - 24 * HOUR for a in attempts) < policy.max_runs_per_day
    if history.concluded:
        assert now >= history.concluded.last_seen + policy.rest(now)
    if history.unfinished:
        assert now >= history.unfinished[0].last_seen + policy.backoff
    if policy.start_hours:
        assert in_window(policy.start_hours, now.astimezone(zoneinfo.ZoneInfo(policy.zone)).time())
    assert decision.key.startswith(f"p-{data.subject}-")


@given(policies, histories(), times, st.timedeltas(dt.timedelta(0), dt.timedelta(days=800)), datas)
@settings(max_examples=200, deadline=None)
def test_a_clock_that_goes_back_never_starts_what_was_held_before(
    policy: Policy, history: History, now: dt.datetime, back: dt.timedelta, data: Data
) -> None:
    policy = policy.model_copy(update={"start_hours": None, "schedule": None})
    if isinstance(decide("p", policy, history, now, ROOMY, data), Wait):
        assert isinstance(decide("p", policy, history, now - back, ROOMY, data), Wait)


step = st.tuples(
    st.timedeltas(dt.timedelta(hours=-30), dt.timedelta(days=3)), st.sampled_from([0, 0, 5, 12]), outcomes
)


@given(policies, st.lists(step, max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_life_of_a_policy_runs_the_same_data_again_once_it_came_to_its_end(
    policy: Policy, steps: list[tuple[dt.timedelta, int, str]]
) -> None:
    now, total, learned, attempts, keys, ended = NOW, 0, 0, (), set(), set()
    for jump, added, outcome in steps:
        now, total = now + jump, total + added
        attempts = tuple(
            replace(a, outcome="failure", ended=now) if a.outcome == "running" else a for a in attempts
        )
        data = Data(f"subject {total}", recordings=total - learned)
        decision = decide("p", policy, History(attempts, NOW), now, ROOMY, data)
        if isinstance(decision, Run):
            assert decision.key not in keys and total not in ended
            keys.add(decision.key)
            attempts = (Attempt("0123abcd", now, now, outcome, data.subject), *attempts)  # type: ignore[arg-type]
            if outcome in ("success", "refused"):
                learned = total
                ended.add(total)
