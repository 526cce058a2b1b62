"""Says when a policy really starts next, how often at most, and what of it contradicts itself."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blut_resources.machine.memory import size_text
from sensors.policy.cadence import Times, closest, within
from sensors.policy.clock import in_window, last_tick, next_tick, span
from sensors.policy.decide import DAY, NO_RECIPE, OFF, History, pause_after_failures, window_text
from sensors.policy.fields import TRIGGERS, Policy
from sensors.policy.zones import zone_of

DAYS_AHEAD = 400
"""How far a start is looked for."""


@dataclass(frozen=True)
class Start:
    """Says when a policy starts next at the earliest, and for which reason; ``at`` is None if it does not."""

    at: dt.datetime | None
    why: str
    zone: str = ""

    @property
    def words(self) -> str:
        """Returns it in one line, by the clock of the policy."""
        if self.at is None:
            return f"never: {self.why}"
        return f"{self.at.astimezone(zone_of(self.zone)):%Y-%m-%d %H:%M} ({self.zone}), {self.why}"


def next_start(policy: Policy, history: History, now: dt.datetime) -> Start:
    """Returns the first time from ``now`` on at which everything that depends on the clock allows a start.

    That is schedule and age, start hours, cooldown, backoff and runs in a day. What depends on the data and
    on the machine is named, since nobody knows it before.
    """
    if not policy.enabled:
        return Start(None, OFF)
    if not policy.recipe:
        return Start(None, NO_RECIPE)
    going = next((attempt for attempt in history.attempts if attempt.outcome == "running"), None)
    ready = _ready(policy, history, now)
    timed = [(max(moment, ready), why) for moment, why in _by_clock(policy, history, now)]
    told = [*_by_data(policy)]
    found: list[tuple[dt.datetime, str]] = []
    for moment, why in [*timed, *([(ready, f"as soon as there are {' or '.join(told)}")] if told else [])]:
        start = _allowed(policy, history, moment)
        if start is None:
            return Start(
                None, f"start hours are {window_text(policy.start_hours or _ANY)}, which never begin"
            )
        found.append((start, why))
    at, why = min(found)
    others = [text for moment, text in sorted(found) if text != why]
    more = f", or {' or '.join(others)}" if others else ""
    new = "" if not history.concluded or why not in [text for _, text in timed] else ", if something is new"
    after = f", after its run {going.run_id[:8]} has ended" if going else ""
    return Start(at, f"{why}{new}{more}{after}", policy.zone)


_ANY = (dt.time(), dt.time())


def _ready(policy: Policy, history: History, now: dt.datetime) -> dt.datetime:
    """Returns when cooldown and backoff are over."""
    found = [now]
    if history.concluded:
        found.append(history.concluded.last_seen + policy.rest(now))
    if history.unfinished:
        last = max(attempt.last_seen for attempt in history.unfinished)
        found.append(last + pause_after_failures(policy, history, now))
    return max(found)


def _by_clock(policy: Policy, history: History, now: dt.datetime) -> Iterator[tuple[dt.datetime, str]]:
    last = history.concluded
    if policy.schedule is not None:
        after = [moment for moment in (last and last.started, history.since) if moment]
        due = not after or last_tick(policy.schedule, now, policy.zone) > max(after)
        moment = now if due else next_tick(policy.schedule, now, policy.zone)
        yield moment, f"scheduled ({policy.schedule})"
    if policy.max_age is not None:
        age = span(policy.max_age)
        yield (last.last_seen + policy.max_age, f"max_age of {age}") if last else (now, "there was none yet")


def _by_data(policy: Policy) -> Iterator[str]:
    counts = (
        (policy.new_recordings, "new recordings"),
        (policy.new_annotated, "newly annotated recordings"),
        (policy.new_rows, "new rows"),
    )
    yield from (f"{wanted} {noun}" for wanted, noun in counts if wanted is not None)
    if policy.new_bytes is not None:
        yield f"{size_text(policy.new_bytes)} of new data"


def _allowed(policy: Policy, history: History, moment: dt.datetime) -> dt.datetime | None:
    """Returns the first time from a moment on that start hours and the runs of a day allow; None if none."""
    for _ in range(DAYS_AHEAD):
        started = sorted((attempt.started for attempt in history.attempts), reverse=True)
        recent = [start for start in started if moment - DAY < start <= moment]
        if len(recent) >= policy.max_runs_per_day:
            moment = recent[policy.max_runs_per_day - 1] + DAY
        opens = _opens(policy, moment)
        if opens is None or opens == moment:
            return opens
        moment = opens
    return None


def _opens(policy: Policy, moment: dt.datetime) -> dt.datetime | None:
    """Returns the moment, if it lies within the start hours, or when they begin next; None if never."""
    window, zone = policy.start_hours, zone_of(policy.zone)
    if window is None or in_window(window, moment.astimezone(zone).time()):
        return moment
    if window[0] == window[1]:
        return None
    today = moment.astimezone(zone).date()
    for day in range(4):  # one of them may lack the hour, where the clock goes forward
        date = today + dt.timedelta(days=day)
        for fold in (0, 1):
            begin = dt.datetime.combine(date, window[0], zone).replace(fold=fold).astimezone(dt.UTC)
            if begin >= moment and in_window(window, begin.astimezone(zone).time()):
                return begin
    return None


def how_often(policy: Policy, now: dt.datetime) -> str:
    """Says how often at most a policy starts, and what bounds it."""
    rest, by = policy.rest(now), "its cooldown" if policy.cooldown is not None else "cooldown, none is set"
    if policy.schedule is not None and _alone(policy, "schedule"):
        gap = closest(policy.schedule, policy.zone, now.year)
        rest, by = (gap, f"schedule {policy.schedule}") if gap >= rest else (rest, by)
    times = f"{policy.max_runs_per_day} times in 24 hours (max_runs_per_day)"
    if not rest:
        return f"at most {times}"
    more = f", and {times}" if rest * policy.max_runs_per_day < DAY else ""
    return f"at most once in {span(rest)} ({by}){more}"


def _alone(policy: Policy, name: str) -> bool:
    return all(getattr(policy, one) is None for one in TRIGGERS if one != name)


def remarks(policy: Policy, now: dt.datetime) -> Sequence[str]:
    """Returns what of a policy works against its schedule, a line each, with the remedy."""
    if policy.schedule is None:
        return []
    found, gap = [], closest(policy.schedule, policy.zone, now.year)
    if policy.cooldown is not None and policy.cooldown > gap:
        found.append(
            f"cooldown = {span(policy.cooldown)} is longer than the {span(gap)} between two times of the"
            f" schedule {policy.schedule!r}: it starts at most once in {span(policy.cooldown)}; for each time"
            f" of the schedule take the cooldown out, or one below {span(gap)}"
        )
    times = _times(policy, now)
    if times and times.outside and not times.inside:
        found.append(f"{outside(policy, now)}; as it is, a training that is due starts when they begin")
    elif times and times.outside:
        found.append(
            f"{times.outside} of the {times.inside + times.outside} times of the schedule"
            f" {policy.schedule!r} in a year, such as {times.first_outside:%H:%M}, lie outside of"
            f" start_hours = {window_text(policy.start_hours or _ANY)}: what is due then starts when"
            " these begin"
        )
    return found


def outside(policy: Policy, now: dt.datetime) -> str:
    """Says that no time of a schedule lies within the start hours, with both values and the remedy;
    empty if one does.
    """
    times = _times(policy, now)
    if not times or times.inside or times.first_outside is None:
        return ""
    given = "" if "start_hours" in policy.model_fields_set else ", which hold where none are given"
    return (
        f"schedule = {policy.schedule!r}, at {times.first_outside:%H:%M}, never falls within start_hours ="
        f" {window_text(policy.start_hours or _ANY)} ({policy.zone}){given}: give start_hours around it, or"
        ' [] ("any" for --start-hours), or another schedule'
    )


def _times(policy: Policy, now: dt.datetime) -> Times | None:
    if policy.schedule is None or policy.start_hours is None:
        return None
    return within(policy.schedule, policy.zone, now.year, policy.start_hours)
