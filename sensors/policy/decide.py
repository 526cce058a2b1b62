"""Decides when to retrain: a typed policy, and a pure decision that gives the first reason not to.

Times are aware datetimes, durations timedeltas, sizes bytes.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from blut_resources.machine.amounts import parse_duration, parse_size
from blut_resources.machine.memory import size_text
from sensors.policy.clock import in_window, last_tick, local_zone, next_tick, parse_window, span

Window = tuple[dt.time, dt.time]
DAY = dt.timedelta(days=1)
LONGEST = 3650 * DAY
OFF = "off: `blut policy enable` turns it on"
NO_RECIPE = 'enabled, but there is no recipe: fill in the line recipe = "NAME"'
UNSEEN = "the data cannot be looked at"
TRIGGERS = ("new_recordings", "new_annotated", "new_rows", "new_bytes", "max_age", "schedule")


def _size(value: Any) -> int:
    return 0 if _is_zero(value) else int(_without_source(parse_size, value))


def _duration(value: Any) -> dt.timedelta:
    found = dt.timedelta() if _is_zero(value) else _without_source(parse_duration, value)
    if isinstance(found, dt.timedelta):
        return found
    if found > LONGEST.total_seconds():
        raise ValueError(f"longer than {LONGEST.days} days; leave it out, or say less")
    return dt.timedelta(seconds=found)


def _is_zero(value: Any) -> bool:
    return value in ("0", "0s", 0) and not isinstance(value, bool)


def _without_source(parse: Callable[[object], float], value: Any) -> float:
    """Returns the value; errors come with the name of a field and its value, which are added to each here."""
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(str(error).partition(": ")[2]) from None


Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[dt.timedelta, BeforeValidator(_duration)]


class Policy(BaseModel):
    """Holds one policy of the file. Any one trigger that is met suffices; everything else can hold it up."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = Field(False, description="nothing retrains by itself unless this is true")
    instance: str = Field("", description="the only Dagster instance that acts on it; any if empty")
    recipe: str = Field("", description="see `blut recipe list`")
    args: dict[str, Any] = Field(default_factory=dict, description="see `blut recipe show NAME`")
    partition: str = Field(
        "", description='of a recipe with partitions: a key, or "each", which has a history of its own'
    )

    new_recordings: int | None = Field(None, ge=1, description="trigger: this many new or changed files")
    new_annotated: int | None = Field(
        None, ge=1, description="trigger: this many recordings of which there are new annotations"
    )
    new_rows: int | None = Field(None, ge=1, description="trigger: this many new lines or conversations")
    new_bytes: Size | None = Field(None, gt=0, description='trigger: this much new data, such as "2G"')
    max_age: Duration | None = Field(None, description='trigger: the last success is so old, such as "30d"')
    schedule: str | None = Field(None, description='trigger: a cron expression, such as "0 3 * * 0"')

    quiet_hours: Annotated[Window | None, BeforeValidator(parse_window)] = Field(
        (dt.time(2), dt.time(6)), description="starts only within these; equal: never; []: at any hour"
    )
    time_zone: str = Field("", description='such as "Europe/Berlin"; the machine\'s own if empty')
    cooldown: Duration = Field(dt.timedelta(days=7), description="after a retraining that came to its end")
    backoff: Duration = Field(
        dt.timedelta(hours=1), description="after a failure, doubled with each in a row, at most the cooldown"
    )
    max_runs_per_day: int = Field(4, ge=1, description="in any 24 hours, failed ones too")
    memory_free: Size = Field(0, description='that must be free to start, such as "16G"')
    gpus_free: int = Field(0, ge=0, description="that must be free to start")
    gpu_memory_free: Size = Field(0, description="on each of them")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('no such time zone; give one like "Europe/Berlin" or "UTC"') from None
        return name

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, cron: str | None) -> str | None:
        if cron is not None:
            next_tick(cron, dt.datetime.now(dt.UTC), "UTC")
        return cron

    @field_validator("args")
    @classmethod
    def _plain_args(cls, args: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(args)
        except TypeError as error:
            raise ValueError(f"{error}; write dates and times as text in quotes") from None
        return args

    @model_validator(mode="after")
    def _complete(self) -> "Policy":
        if self.enabled and self.recipe and all(getattr(self, name) is None for name in TRIGGERS):
            raise ValueError(f"enabled, but nothing triggers it; give one of {', '.join(TRIGGERS)}")
        if self.gpu_memory_free and not self.gpus_free:
            raise ValueError("gpu_memory_free without gpus_free; say of how many GPUs, such as gpus_free = 1")
        return self

    @property
    def zone(self) -> str:
        """Returns the name of the time zone that holds for quiet hours and schedule."""
        return self.time_zone or local_zone()


Outcome = Literal["running", "success", "refused", "failure", "cancelled"]
"""``refused``: all was computed, and a blocking check, such as the gate's, said no."""


@dataclass(frozen=True)
class Attempt:
    """Describes one run that the policy started. ``subject`` says what it learned from, see `Data`."""

    run_id: str
    started: dt.datetime
    ended: dt.datetime | None
    outcome: Outcome
    subject: str = ""

    @property
    def concluded(self) -> bool:
        """Says whether it came to its end, so that the same data would give the same result."""
        return self.outcome in ("success", "refused")

    @property
    def last_seen(self) -> dt.datetime:
        """Returns when it was last heard of."""
        return self.ended or self.started


@dataclass(frozen=True)
class History:
    """Says what the policy did, newest first; ``since`` is when its file was written."""

    attempts: tuple[Attempt, ...] = ()
    since: dt.datetime | None = None

    @property
    def concluded(self) -> Attempt | None:
        """Returns the newest attempt that came to its end."""
        return next((attempt for attempt in self.attempts if attempt.concluded), None)

    @property
    def unfinished(self) -> tuple[Attempt, ...]:
        """Returns those since then that did not, newest first: they failed, or somebody cancelled them."""
        found = []
        for attempt in self.attempts:
            if attempt.concluded:
                break
            if attempt.outcome != "running":
                found.append(attempt)
        return tuple(found)


@dataclass(frozen=True)
class Machine:
    """Says what the machine has to give.

    ``gpus_free`` is the free memory of each GPU that nobody leases; ``busy`` says in words whose run goes
    first, a person's or another policy's.
    """

    instance: str = ""
    memory_free: int = 0
    gpus_free: tuple[int, ...] = ()
    busy: str = ""


@dataclass(frozen=True)
class Data:
    """Says what there is to learn from.

    ``subject`` is a digest of data, args and code: what a result depends on.

    Counts are what is new since the last attempt that came to its end. ``problem``: it cannot be looked at.
    """

    subject: str = ""
    recordings: int = 0
    annotated: int = 0
    rows: int = 0
    bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """Calls for a retraining. A run with this ``key`` is started once and never again."""

    reason: str
    key: str = field(default="")


@dataclass(frozen=True)
class Wait:
    """Says not to retrain now; ``blocked`` until somebody mends the data."""

    reason: str
    blocked: bool = False


def decide(
    name: str, policy: Policy, history: History, now: dt.datetime, machine: Machine, data: Data
) -> Run | Wait:
    """Decide whether the policy ``name`` wants a retraining now;
    the first reason not to, else the reason to.
    """
    return hold(policy, history, now, machine) or weigh(name, policy, history, now, data)


def hold(policy: Policy, history: History, now: dt.datetime, machine: Machine) -> Wait | None:
    """Returns what stands in the way whatever the data are:
    asked first, because looking at data takes time.
    """
    for reason in _hindrances(policy, history, now, machine):
        return Wait(reason)
    return None


def weigh(name: str, policy: Policy, history: History, now: dt.datetime, data: Data) -> Run | Wait:
    """Decide whether the data, the age of the last success or the schedule call for a retraining."""
    if data.problem:
        return Wait(f"{UNSEEN}: {data.problem}", blocked=True)
    done = next((a for a in history.attempts if a.concluded and a.subject == data.subject), None)
    if done:
        end = "was refused by its gate" if done.outcome == "refused" else "succeeded"
        return Wait(f"nothing new: run {done.run_id[:8]} {end} with the same data, args and code")
    words = list(_triggers(policy, history, now, data))
    met = [text for is_met, text in words if is_met]
    if not met:
        return Wait("; ".join(text for _, text in words))
    again = sum(attempt.subject == data.subject for attempt in history.attempts)
    return Run("; ".join(met), f"{name}-{data.subject[:24]}-{again}")


def _hindrances(policy: Policy, history: History, now: dt.datetime, machine: Machine) -> Iterator[str]:
    if not policy.enabled:
        yield OFF
    if policy.instance and policy.instance != machine.instance:
        yield f"it belongs to the instance {policy.instance}, and this is {machine.instance}"
    yield from _quiet_hours(policy, now)
    going = next((attempt for attempt in history.attempts if attempt.outcome == "running"), None)
    if going:
        yield f"its run {going.run_id[:8]} is still going, since {_clock(going.started, policy)}"
    yield from _cooldown(policy, history, now)
    yield from _backoff(policy, history, now)
    yield from _too_many(policy, history, now)
    if machine.busy:
        yield machine.busy
    if machine.memory_free < policy.memory_free:
        yield (
            f"memory: {size_text(machine.memory_free)} are free,"
            f" memory_free asks for {size_text(policy.memory_free)}"
        )
    yield from _gpus(policy, machine)


def _quiet_hours(policy: Policy, now: dt.datetime) -> Iterable[str]:
    if policy.quiet_hours is None:
        return
    local = now.astimezone(zoneinfo.ZoneInfo(policy.zone))
    if not in_window(policy.quiet_hours, local.time()):
        start, end = (f"{moment:%H:%M}" for moment in policy.quiet_hours)
        never = " (equal: never)" if start == end else ""
        yield f"quiet hours are {start} to {end}{never}, and it is {local:%H:%M} ({policy.zone})"


def _cooldown(policy: Policy, history: History, now: dt.datetime) -> Iterable[str]:
    last = history.concluded
    if last and now < last.last_seen + policy.cooldown:
        until = last.last_seen + policy.cooldown
        how = "refused by its gate" if last.outcome == "refused" else "a success"
        yield (
            f"cooldown of {span(policy.cooldown)} until {_clock(until, policy)}: run {last.run_id[:8]},"
            f" {how}, ended {_ago(now, last.last_seen)}"
        )


def _backoff(policy: Policy, history: History, now: dt.datetime) -> Iterable[str]:
    """Wait after failures.

    A cancelled one is not a failure, but who cancelled it does not want it at the next tick.
    """
    unfinished = history.unfinished
    if not unfinished:
        return
    last, failed = unfinished[0], sum(attempt.outcome == "failure" for attempt in unfinished)
    # a cooldown shorter than one backoff must not take it away
    most = max(policy.cooldown, policy.backoff)
    pause = min(policy.backoff * 2 ** min(failed, 10), most)
    until = max(attempt.last_seen for attempt in unfinished) + pause
    if now < until:
        times = f"failed {failed} times in a row; " if failed > 1 else ""
        word = "was cancelled" if last.outcome == "cancelled" else "failed"
        yield (
            f"backoff of {span(pause)} until {_clock(until, policy)}: {times}"
            f"run {last.run_id[:8]} {word} {_ago(now, last.last_seen)}"
        )


def _too_many(policy: Policy, history: History, now: dt.datetime) -> Iterable[str]:
    recent = [attempt for attempt in history.attempts if attempt.started > now - DAY]
    if len(recent) >= policy.max_runs_per_day:
        yield f"{len(recent)} runs in the last 24 hours, max_runs_per_day is {policy.max_runs_per_day}"


def _gpus(policy: Policy, machine: Machine) -> Iterable[str]:
    fit = [free for free in machine.gpus_free if free >= policy.gpu_memory_free]
    if len(fit) < policy.gpus_free:
        room = f" with {size_text(policy.gpu_memory_free)} of memory" if policy.gpu_memory_free else ""
        yield f"GPUs: {len(fit)}{room} are free, gpus_free asks for {policy.gpus_free}"


def _triggers(policy: Policy, history: History, now: dt.datetime, data: Data) -> Iterator[tuple[bool, str]]:
    """Yields each trigger of the policy: whether it is met, and how it stands in words."""
    counts = (
        (policy.new_recordings, data.recordings, "recordings"),
        (policy.new_annotated, data.annotated, "annotated recordings"),
        (policy.new_rows, data.rows, "rows"),
    )
    for wanted, found, noun in counts:
        if wanted is not None:
            yield found >= wanted, f"{found} new {noun}, {wanted} are asked for"
    if policy.new_bytes is not None:
        text = f"{size_text(data.bytes)} of new data, {size_text(policy.new_bytes)} are asked for"
        yield data.bytes >= policy.new_bytes, text
    last = history.concluded
    if policy.max_age is not None:
        old = now - last.last_seen if last else None
        age = f"the last is {span(max(old, dt.timedelta()))} old" if old is not None else "there was none yet"
        yield old is None or old >= policy.max_age, f"{age}, max_age is {span(policy.max_age)}"
    if policy.schedule is not None:
        yield _scheduled(policy, policy.schedule, history, now)


def _scheduled(policy: Policy, cron: str, history: History, now: dt.datetime) -> tuple[bool, str]:
    """Says whether it is due: from a tick on until a retraining ends;
    not for ticks before the file was written.
    """
    last = history.concluded
    after = [moment for moment in (last and last.started, history.since) if moment]
    tick = last_tick(cron, now, policy.zone)
    if not after or tick > max(after):
        return True, f"scheduled ({cron}) for {_clock(tick, policy)}"
    return False, f"scheduled ({cron}) for {_clock(next_tick(cron, now, policy.zone), policy)}"


def _clock(moment: dt.datetime, policy: Policy) -> str:
    return f"{moment.astimezone(zoneinfo.ZoneInfo(policy.zone)):%Y-%m-%d %H:%M}"


def _ago(now: dt.datetime, then: dt.datetime) -> str:
    if then > now:
        return "in the future (if the clock was wrong then, delete that run)"
    return f"{span(now - then)} ago"
