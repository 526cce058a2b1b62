"""Tells the hooks of the alert settings of failed runs, retrainings and checks, and of blocked policies.

At least once: what a hook did not take is offered again, less and less often, for a day. A hook that fails
is logged in the tick and never touches a run. Nothing is told of what happened before the first tick.
"""

import datetime as dt
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field, ValidationError

from blut_assets.history.failures import failure_of
from blut_resources.dagster_private.events import failed_check_records
from sensors.alerts.alert import Alert, Event
from sensors.alerts.delivery import NotDelivered, deliver
from sensors.alerts.scope import AlertScope, is_bluts
from sensors.alerts.settings import AlertSettings, Hook, settings_path, usable
from sensors.policy.decide import UNSEEN
from sensors.policy.history import POLICY_TAG
from sensors.retraining import NAME as RETRAINING
from sensors.turns import SensorTurn, places_of, turn_of

NAME = "blut_alerts"
INTERVAL_S = 30
BUDGET_S = 40.0
"""Seconds of a tick to deliver in: Dagster ends one after a minute."""
LOOK_BACK = 50
OWED_AT_MOST = 1000
FIRST_WAIT_S, LONGEST_WAIT_S, GIVEN_UP_S = 30.0, 3600.0, 86400.0


class Owed(BaseModel):
    """Holds a delivery that has not succeeded yet."""

    hook: str
    alert: Alert
    since: float
    tries: int = 0
    due: float = 0.0


class State(BaseModel):
    """Holds the cursor: up to where failures were seen, and what is still owed.

    ``told`` is when its code location last did the work, ``own`` what is Blut's in that location.
    """

    runs: int = -1
    checks: dict[str, list[int]] = Field(default_factory=dict)
    since: float = 0.0
    blocked: dict[str, str] = Field(default_factory=dict)
    owed: list[Owed] = Field(default_factory=list)
    told: float = 0.0
    own: AlertScope = AlertScope()


def failed_runs(
    instance: dg.DagsterInstance, state: State, concerns: Callable[[dg.DagsterRun], bool]
) -> Iterator[Alert]:
    """Yields an alert for every run that has failed since, and that nobody ended; moves the state on.

    Args:
        concerns: says of a run whether it is to be told of.
    """
    while True:
        chosen = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=state.runs)
        records = instance.fetch_run_status_changes(chosen, limit=LOOK_BACK, ascending=True).records
        for record in records:
            state.runs = record.storage_id
            run = instance.get_run_by_id(record.run_id)
            if run is not None and concerns(run) and (alert := _run_alert(instance, run, record.timestamp)):
                yield alert
        if len(records) < LOOK_BACK:
            return


def _run_alert(instance: dg.DagsterInstance, run: dg.DagsterRun, at: float) -> Alert | None:
    """Returns the alert of a failed run; None for a run that somebody ended."""
    failure = failure_of(instance, run.run_id)
    if failure.kind == "cancelled":
        return None
    event: Event = "retrain-failed" if POLICY_TAG in run.tags else "run-failed"
    event = "run-deadline" if failure.kind == "deadline" else event
    return Alert(
        id=f"{event}:{run.run_id}",
        event=event,
        at=_iso(at),
        run=run.run_id,
        job=run.job_name,
        message=failure.why,
        tags=_own(run.tags),
    )


def failed_checks(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], state: State
) -> Iterator[Alert]:
    """Yields an alert for every check that has failed since, and does not only warn; moves the state on.

    By the ids seen and not by the largest: a check gets its id when it is planned, which may be long before.
    """
    for key in keys:
        history = failed_check_records(instance, key, LOOK_BACK)
        name = key.to_user_string()
        seen = set(state.checks.get(name, []))
        state.checks[name] = [record.id for record in history]
        for record in reversed(history):
            new = record.id not in seen and record.event and record.event.timestamp >= state.since
            if new and not _only_warns(record) and (run := instance.get_run_by_id(record.run_id)):
                yield _check_alert(run, key, record)


def _only_warns(record: Any) -> bool:
    """Says whether a check was there to be looked at, and not to stop anybody."""
    return record.event.dagster_event.event_specific_data.severity is dg.AssetCheckSeverity.WARN


def _check_alert(run: dg.DagsterRun, key: dg.AssetCheckKey, record: Any) -> Alert:
    evaluation = record.event.dagster_event.event_specific_data
    return Alert(
        id=f"check-failed:{record.id}:{run.run_id}",
        event="check-failed",
        at=_iso(record.event.timestamp),
        run=run.run_id,
        job=run.job_name,
        message=evaluation.description or "the check did not pass",
        asset=key.asset_key.to_user_string(),
        check=key.name,
        tags=_own(run.tags),
    )


def blocked_policies(instance: dg.DagsterInstance, state: State, now: float) -> Iterator[Alert]:
    """Yields an alert for every policy whose data cannot be looked at since, or for another reason.

    The cursor of the sensor that retrains says so. Moves the state on.
    """
    said = [
        str(getattr(one.instigator_data, "cursor", None) or "")
        for one in instance.all_instigator_state()
        if one.instigator_name == RETRAINING
    ]
    lines = (line.partition(f": {UNSEEN}: ") for text in said for line in text.splitlines())
    blocked = {policy: reason for policy, found, reason in lines if found}
    for policy, reason in blocked.items():
        if state.blocked.get(policy) != reason:
            yield Alert(
                id=f"policy-blocked:{policy}:{now:.0f}",
                event="policy-blocked",
                at=_iso(now),
                run="",
                job=policy,
                message=f"{UNSEEN}: {reason}",
            )
    state.blocked = blocked


def _own(tags: Any) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name.startswith("blut/")}


def _iso(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).isoformat(timespec="seconds")


def settle(owed: Sequence[Owed], hooks: Sequence[Hook], log: Any, now: float) -> list[Owed]:
    """Deliver what is due, in order; returns what is still owed after that."""
    known, left = {hook.name: hook for hook in hooks}, []
    ends = time.monotonic() + BUDGET_S
    for one in owed:
        hook = known.get(one.hook)
        if hook is None:
            continue  # it is not to be told any more
        if one.due > now or time.monotonic() + hook.timeout_s > ends:
            left.append(one)
            continue
        try:
            deliver(hook, one.alert)
            log.info(f"told {hook.name}: {one.alert.event} of {one.alert.run[:8] or one.alert.job}")
        except NotDelivered as error:
            left += _later(one, str(error), log, now)
    return left


def _later(one: Owed, reason: str, log: Any, now: float) -> list[Owed]:
    if now - one.since > GIVEN_UP_S:
        log.error(f"given up after a day: {one.alert.event} of {one.alert.run or one.alert.job}: {reason}")
        return []
    wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**one.tries)
    log.warning(f"not delivered, again in {wait:.0f} s: {reason}")
    return [one.model_copy(update={"tries": one.tries + 1, "due": now + wait})]


def alerts_sensor(
    checks: Iterable[dg.AssetChecksDefinition], jobs: Iterable[str], assets: Iterable[dg.AssetKey]
) -> dg.SensorDefinition:
    """Returns the sensor that tells the hooks of what concerns these; without settings it tells nobody."""
    own = AlertScope(
        jobs=tuple(jobs),
        assets=tuple(key.to_user_string() for key in assets),
        checks=tuple(key.to_user_string() for check in checks for key in check.check_keys),
    )

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the hooks in alerts.toml of failed runs, retrainings and checks of Blut's, and of"
        " policies whose data cannot be looked at; starts nothing.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        turn = turn_of(context, NAME)
        if turn.waits:
            seen = _state(turn.cursor).model_copy(update={"own": own})
            return dg.SensorResult(skip_reason=turn.waits, cursor=seen.model_dump_json())
        settings, problems = usable(settings_path())
        for problem in problems:
            context.log.error(problem)
        return _tick(context, turn, own, settings)

    return alerts


def _tick(
    context: dg.SensorEvaluationContext, turn: SensorTurn, own: AlertScope, settings: AlertSettings
) -> dg.SensorResult:
    now, instance, hooks = time.time(), context.instance, settings.hook
    # who did the work last knows best what was told
    found = [_state(turn.cursor), *map(_state, turn.cursors)]
    state = max(found, key=lambda one: (one.told, one.since))
    scope = functools.reduce(lambda all_, one: all_ | one.own, found, own)
    if not state.since or not hooks:
        state = _from_now_on(instance, now)
        why = "from now on" if hooks else f"off: no hook in {settings_path()}"
        return dg.SensorResult(skip_reason=why, cursor=_cursor(state, own, now))
    places = places_of(instance, NAME)

    def concerns(run: dg.DagsterRun) -> bool:
        return settings.all_runs or is_bluts(instance, run, scope, places)

    alerts = [
        *failed_checks(instance, scope.check_keys, state),
        *failed_runs(instance, state, concerns),
        *blocked_policies(instance, state, now),
    ]
    new = [Owed(hook=h.name, alert=a, since=now) for a in alerts for h in hooks if a.event in h.on]
    state.owed = settle([*state.owed, *new], hooks, context.log, now)[-OWED_AT_MOST:]
    return dg.SensorResult(skip_reason=_words(new, state), cursor=_cursor(state, own, now))


def _state(cursor: str) -> State:
    """Returns what a cursor holds; a new one, which has not begun, if that is nothing of this sensor's."""
    try:
        return State.model_validate_json(cursor or "{}")
    except ValidationError:
        return State()


def _cursor(state: State, own: AlertScope, now: float) -> str:
    return state.model_copy(update={"own": own, "told": now}).model_dump_json()


def _from_now_on(instance: dg.DagsterInstance, now: float) -> State:
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return State(runs=newest[0].storage_id if newest else -1, since=now)


def _words(new: Sequence[Owed], state: State) -> str:
    words = [f"{len(new)} to tell", f"{len(state.owed)} still owed"]
    waiting = itertools.islice(state.owed, 5)
    return ", ".join(words) + "".join(f"\n{o.hook}: {o.alert.event}, {o.tries} tries" for o in waiting)
