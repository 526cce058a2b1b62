"""Decides when to retrain: a pure decision over a policy, which gives the first reason not to.

Times are aware datetimes, durations timedeltas, sizes bytes.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from blut_resources.machine.memory import size_text
from sensors.policy.clock import in_window, last_tick, next_tick, span
from sensors.policy.fields import Policy, Window
from sensors.policy.zones import zone_of

DAY = dt.timedelta(days=1)
OFF = "off: `blut policy enable` turns it on"
NO_RECIPE = 'enabled, but there is no recipe: fill in the line recipe = "NAME"'
UNSEEN = "the data cannot be looked at"
BLOCKED = "cannot be acted on"

ENDED = {"cancelled": "was cancelled", "deadline": "ended at its deadline", "pruned": "was pruned"}
Outcome = Literal["running", "success", "refused", "failure", "cancelled", "deadline", "pruned"]
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
    """Says what the policy did, newest first; ``since``, since when its schedule is what it is."""

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
    yield from _start_hours(policy, now)
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


def _start_hours(policy: Policy, now: dt.datetime) -> Iterable[str]:
    if policy.start_hours is None:
        return
    local = now.astimezone(zone_of(policy.zone))
    if not in_window(policy.start_hours, local.time()):
        start, end = policy.start_hours
        never = " (equal: never)" if start == end else ""
        said = window_text(policy.start_hours)
        yield f"start hours are {said}{never}, and it is {local:%H:%M} ({policy.zone})"


def window_text(window: Window) -> str:
    """Returns text such as ``02:00 to 06:00``."""
    return f"{window[0]:%H:%M} to {window[1]:%H:%M}"


def _cooldown(policy: Policy, history: History, now: dt.datetime) -> Iterable[str]:
    last, rest = history.concluded, policy.rest(now)
    if last and now < last.last_seen + rest:
        until = last.last_seen + rest
        how = "refused by its gate" if last.outcome == "refused" else "a success"
        yield (
            f"cooldown of {span(rest)} until {_clock(until, policy)}: run {last.run_id[:8]},"
            f" {how}, ended {_ago(now, last.last_seen)}"
        )


def _backoff(policy: Policy, history: History, now: dt.datetime) -> Iterable[str]:
    """Wait after failures.

    A cancelled one is not a failure, but who cancelled it does not want it at the next tick; one that ended
    at its deadline is none either, and goes on where it was.
    """
    unfinished = history.unfinished
    if not unfinished:
        return
    last, failed = unfinished[0], sum(attempt.outcome == "failure" for attempt in unfinished)
    pause = pause_after_failures(policy, history, now)
    until = max(attempt.last_seen for attempt in unfinished) + pause
    if now < until:
        times = f"failed {failed} times in a row; " if failed > 1 else ""
        word = ENDED.get(last.outcome, "failed")
        yield (
            f"backoff of {span(pause)} until {_clock(until, policy)}: {times}"
            f"run {last.run_id[:8]} {word} {_ago(now, last.last_seen)}"
        )


def pause_after_failures(policy: Policy, history: History, now: dt.datetime) -> dt.timedelta:
    """Returns the backoff that holds after what has not come to its end since the last that did."""
    failed = sum(attempt.outcome == "failure" for attempt in history.unfinished)
    # a cooldown shorter than one backoff must not take it away
    most = max(policy.rest(now), policy.backoff)
    return min(policy.backoff * 2 ** min(failed, 10), most)


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
    not for ticks before the schedule was what it is.
    """
    last = history.concluded
    after = [moment for moment in (last and last.started, history.since) if moment]
    tick = last_tick(cron, now, policy.zone)
    if not after or tick > max(after):
        return True, f"scheduled ({cron}) for {_clock(tick, policy)}"
    return False, f"scheduled ({cron}) for {_clock(next_tick(cron, now, policy.zone), policy)}"


def _clock(moment: dt.datetime, policy: Policy) -> str:
    return f"{moment.astimezone(zone_of(policy.zone)):%Y-%m-%d %H:%M}"


def _ago(now: dt.datetime, then: dt.datetime) -> str:
    if then > now:
        return "in the future (if the clock was wrong then, delete that run)"
    return f"{span(now - then)} ago"
