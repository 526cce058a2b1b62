"""Finds what there is to tell: failed runs, checks that did not pass, policies that cannot be acted on.

One cause is told once: a run that was refused by a check is told of by that check, and all checks of an
asset that one run failed are one alert.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.history.failures import failure_of
from blut_assets.retrying import HOPELESS_TAG
from blut_assets.stages.handles import GIVEN_TAG
from blut_resources.dagster_private.events import failed_check_records
from blut_resources.dagster_private.instigators import cursor_of, sensors_of
from blut_resources.payloads.admission import WAITING_TAG
from blut_resources.runs.settings import CONFIG_TAG
from sensors.alerts.alert import Alert, Event
from sensors.alerts.ledger import AlertState
from sensors.alerts.scope import AlertScope
from sensors.alerts.starters import again, began, is_run_again, started_by
from sensors.alerts.sweeps import told_by_sweep
from sensors.policy.decide import BLOCKED, UNSEEN
from sensors.policy.history import POLICY_TAG
from sensors.retraining import NAME as RETRAINING

LOOK_BACK = 50
INTERNAL = {WAITING_TAG, HOPELESS_TAG, GIVEN_TAG, CONFIG_TAG}
"""Tags that Blut's own code reads, or that say how a run stood while it worked."""
TRACEBACK = "Traceback (most recent call last)"
LINES = 3
"""Of a cause that are told at most: the run's log has all that its payload has printed."""


class Cause(NamedTuple):
    """Holds an alert; ``refused`` of a run that ended because a check said no."""

    alert: Alert
    refused: bool = False


def failed_runs(
    instance: dg.DagsterInstance,
    state: AlertState,
    scope: AlertScope,
    concerns: Callable[[dg.DagsterRun], bool],
) -> Iterator[Cause]:
    """Yields every run that has begun and failed since, and that nobody ended; moves the state on.

    Args:
        concerns: says of a run whether it is to be told of.
    """
    while True:
        chosen = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=state.runs)
        records = instance.fetch_run_status_changes(chosen, limit=LOOK_BACK, ascending=True).records
        for record in records:
            state.runs = record.storage_id
            run = instance.get_run_by_id(record.run_id)
            if run is None or told_by_sweep(instance, run):
                continue
            if concerns(run) and began(instance, run, scope):
                yield from _failed_run(instance, run, record.timestamp)
        if len(records) < LOOK_BACK:
            return


def _failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun, at: float) -> Iterator[Cause]:
    """Yields the cause of a failed run; nothing for a run that somebody ended."""
    failure = failure_of(instance, run.run_id)
    if failure.kind in ("cancelled", "pruned") or is_run_again(run):
        return
    why, more = brief(failure.why), again(instance, run)
    event: Event = "retrain-failed" if POLICY_TAG in run.tags else "run-failed"
    event = "run-deadline" if failure.kind == "deadline" else event
    alert = Alert(
        id=f"{event}:{run.run_id}",
        event=event,
        at=_iso(at),
        run=run.run_id,
        job=run.job_name,
        by=started_by(instance, run),
        message=f"{why} ({more})" if more else why,
        tags=_own(run.tags),
    )
    yield Cause(alert, failure.kind == "refused")


def failed_checks(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], state: AlertState
) -> Iterator[Cause]:
    """Yields, for each asset of each run, the checks that failed since and do not only warn;
    moves the state on.

    By the ids seen and not by the largest: a check gets its id when it is planned, which may be long before.
    """
    found: dict[tuple[str, dg.AssetKey], list[tuple[dg.AssetCheckKey, Any]]] = {}
    for key in keys:
        history = failed_check_records(instance, key, LOOK_BACK)
        name = key.to_user_string()
        seen = set(state.checks.get(name, []))
        state.checks[name] = [record.id for record in history]
        for record in reversed(history):
            new = record.id not in seen and record.event and record.event.timestamp >= state.since
            if new and not _only_warns(record):
                found.setdefault((record.run_id, key.asset_key), []).append((key, record))
    for (run_id, _), failed in found.items():
        run = instance.get_run_by_id(run_id)
        if run is not None and not told_by_sweep(instance, run):
            yield Cause(_check_alert(instance, run, failed))


def _only_warns(record: Any) -> bool:
    """Says whether a check was there to be looked at, and not to stop anybody."""
    return record.event.dagster_event.event_specific_data.severity is dg.AssetCheckSeverity.WARN


def _check_alert(
    instance: dg.DagsterInstance, run: dg.DagsterRun, failed: list[tuple[dg.AssetCheckKey, Any]]
) -> Alert:
    key, first = failed[0]
    said = [_said(record) for _, record in failed]
    words = [f"{key.name}: {text}" for (key, _), text in zip(failed, said, strict=True)]
    return Alert(
        id=f"check-failed:{first.id}:{run.run_id}",
        event="check-failed",
        at=_iso(first.event.timestamp),
        run=run.run_id,
        job=run.job_name,
        by=started_by(instance, run),
        message=said[0] if len(said) == 1 else "; ".join(words),
        asset=key.asset_key.to_user_string(),
        check=", ".join(key.name for key, _ in failed),
        tags=_own(run.tags),
    )


def _said(record: Any) -> str:
    return record.event.dagster_event.event_specific_data.description or "the check did not pass"


def blocked_by_daemon(instance: dg.DagsterInstance) -> dict[str, str]:
    """Returns the policies that cannot be acted on, each with why, as the last tick of the daemon says."""
    lines = [
        line
        for one in sensors_of(instance)
        if one.instigator_name == RETRAINING
        for line in cursor_of(one).splitlines()
    ]
    found = {}
    for mark in (UNSEEN, BLOCKED):
        for line in lines:
            policy, said, reason = line.partition(f": {mark}: ")
            if said:
                found[policy] = f"{mark}: {reason}"
    return found


def blocked_policies(blocked: Mapping[str, str], state: AlertState, now: float) -> Iterator[Cause]:
    """Yields every policy that cannot be acted on since, or for another reason; moves the state on."""
    for policy, reason in blocked.items():
        if state.blocked.get(policy) != reason:
            alert = Alert(
                id=f"policy-blocked:{policy}:{now:.0f}",
                event="policy-blocked",
                at=_iso(now),
                run="",
                job=policy,
                by=f"policy {policy}",
                message=reason,
            )
            yield Cause(alert)
    state.blocked = dict(blocked)


def _own(tags: Any) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name.startswith("blut/") and name not in INTERNAL}


def brief(why: str) -> str:
    """Returns what ended a run and, of all that was printed, the error: no traceback and no long output."""
    said = [line for line in why.splitlines() if line.strip()]
    marks = [n for n, line in enumerate(said) if line.strip().startswith(TRACEBACK)]
    if not marks:
        return "\n".join(said if len(said) <= LINES else [said[0], said[-1]])
    first, last = marks[0], marks[-1]
    depth = len(said[last]) - len(said[last].lstrip())
    raised = (line for line in said[last + 1 :] if not line[depth:].startswith(" "))
    return "\n".join([*said[: min(1, first)], *islice(raised, 1)])


def _iso(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).isoformat(timespec="seconds")
