"""Tells the hooks of what has happened since, and of what is still owed: in a tick, or when a command ends.

At least once: what a hook did not take is offered again, less and less often, for a day. A hook that fails
is named and never touches a run. Nothing is told of what happened before somebody had begun.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import dagster as dg

from blut_resources.dagster_private.instigators import cursor_of, sensors_of
from blut_resources.files.durable import StoreError
from blut_resources.instance.instance import home_of
from sensors.alerts import ledger
from sensors.alerts.causes import Cause, blocked_policies, failed_checks, failed_runs
from sensors.alerts.delivery import NotDelivered, deliver
from sensors.alerts.ledger import AlertState, Deliveries, Owed, state_of
from sensors.alerts.scope import AlertScope, is_bluts
from sensors.alerts.settings import AlertSettings, Hook
from sensors.alerts.sweeps import failed_sweeps
from sensors.turns import places_of

NAME = "blut_alerts"
OWED_AT_MOST = 1000
KNOWN_AT_MOST = 200
FIRST_WAIT_S, LONGEST_WAIT_S, GIVEN_UP_S = 30.0, 3600.0, 86400.0
OFF_COUNTS_S = 600.0
"""Seconds for which a tick that had nobody to tell says from when on somebody is told."""
TRIES = 10
"""Tries after which a day counts as one in which somebody could have been told: a machine may sleep."""


class DeliveryLog(Protocol):
    """Takes what is to be said of deliveries."""

    def info(self, msg: str, /) -> Any:
        """Take what went well."""

    def warning(self, msg: str, /) -> Any:
        """Take what did not."""

    def error(self, msg: str, /) -> Any:
        """Take what somebody has to mend."""


class TellingTime(NamedTuple):
    """Says how long telling may take, in seconds.

    Attributes:
        patience: to wait for another process that tells hooks.
        budget: for all deliveries.
        each: for one of them, also where its hook allows more.
        early: tries of a delivery that do not wait until it is due: nobody knows when the next command is.
    """

    patience: float
    budget: float
    each: float
    early: int = 0


class Told(NamedTuple):
    """Says what was to tell, and what is still owed; None where another process was at it."""

    new: int
    state: AlertState | None


def begin(instance: dg.DagsterInstance) -> None:
    """Have what happens from now on told, if nobody has begun before.

    Raises:
        StoreError: the state cannot be written.
    """
    home = home_of(instance)
    if not ledger.read(home).since:
        with ledger.held(home, 0.0) as mine:
            if mine and not ledger.read(home).since:
                ledger.write(home, _first(instance))


def _first(instance: dg.DagsterInstance) -> AlertState:
    """Returns the state to begin with: what a cursor holds that an older version, or a tick just before there
    was a hook, has left; else now.
    """
    cursors = [state_of(cursor_of(one)) for one in sensors_of(instance) if one.instigator_name == NAME]
    best = max(cursors, key=lambda one: (one.told, one.since), default=AlertState())
    if best.since and not (best.off and time.time() - best.told > OFF_COUNTS_S):
        return best
    return from_now_on(instance)


def from_now_on(instance: dg.DagsterInstance) -> AlertState:
    """Returns the state in which nobody is told of what was before."""
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return AlertState(runs=newest[0].storage_id if newest else -1, since=time.time())


def scope_of(instance: dg.DagsterInstance, own: AlertScope) -> AlertScope:
    """Returns what is Blut's in this code location and in the others of the instance."""
    for one in sensors_of(instance):
        if one.instigator_name == NAME:
            own = own | state_of(cursor_of(one)).own
    return own


def tell(
    instance: dg.DagsterInstance,
    scope: AlertScope,
    settings: AlertSettings,
    log: DeliveryLog,
    bounds: TellingTime,
    blocked: Mapping[str, str] | None = None,
) -> Told:
    """Tell the hooks of all that happened since somebody did so last, and what they are still owed.

    Args:
        blocked: policies that cannot be acted on, each with why; None where nobody has looked.
    """
    home, now, hooks = home_of(instance), time.time(), settings.hook
    with ledger.held(home, bounds.patience) as mine:
        if not mine:
            return Told(0, None)
        state = ledger.read(home)
        state = state if state.since else _first(instance)
        state.since = min(state.since, now)  # a clock that went back
        places = places_of(instance, NAME)

        def concerns(run: dg.DagsterRun) -> bool:
            return settings.all_runs or is_bluts(instance, run, scope, places)

        causes = [
            *failed_checks(instance, scope.check_keys, state),
            *failed_runs(instance, state, scope, concerns),
            *map(Cause, failed_sweeps(instance, state, concerns)),
            *(blocked_policies(blocked, state, now) if blocked is not None else ()),
        ]
        new = [
            Owed(hook=hook.name, alert=cause.alert, since=now)
            for cause in causes
            for hook in hooks
            if _wants(hook, cause, state)
        ]
        state.owed = [*state.owed, *new][-OWED_AT_MOST:]
        if new or state.owed or not (home / ledger.FOLDER / ledger.FILE).exists():
            _keep(home, state, log)
        _settle(home, state, hooks, log, now, bounds)
        _keep(home, state, log)
        return Told(len(new), state)


def _wants(hook: Hook, cause: Cause, state: AlertState) -> bool:
    """Says whether a hook is told of a cause, and notes whom a check that refused a run was told to."""
    alert = cause.alert
    if alert.event not in hook.on or not hook.concerns(alert.job):
        return False
    knows = state.refused.setdefault(alert.run, []) if alert.run else []
    if alert.event == "check-failed":
        knows.append(hook.name)
    while len(state.refused) > KNOWN_AT_MOST:
        del state.refused[next(iter(state.refused))]
    return not (cause.refused and hook.name in knows)


def _keep(home: Path, state: AlertState, log: DeliveryLog) -> None:
    try:
        ledger.write(home, state)
    except StoreError as error:  # the disk may be what is told of
        log.error(f"what is told is not kept, and may be told again: {error}")


def _settle(
    home: Path, state: AlertState, hooks: Sequence[Hook], log: DeliveryLog, now: float, bounds: TellingTime
) -> None:
    """Deliver what is due, what was tried least first; leaves in the state what is still owed after that."""
    known = {hook.name: hook for hook in hooks}
    state.owed = [one for one in state.owed if one.hook in known]  # others are not to be told any more
    ends = time.monotonic() + bounds.budget
    for one in sorted(state.owed, key=lambda one: one.tries):
        hook = known[one.hook]
        left = ends - time.monotonic()
        seconds = min(hook.timeout_s, bounds.each)
        # a time further ahead is of a clock that was wrong
        waits = one.tries > bounds.early and now < one.due <= now + LONGEST_WAIT_S
        if waits or seconds > left:
            continue
        told = state.hooks.setdefault(hook.name, Deliveries())
        try:
            deliver(hook.model_copy(update={"timeout_s": seconds}), one.alert)
            state.owed.remove(one)
            told.told = time.time()
            log.info(f"told {hook.name}: {one.alert.event} of {one.alert.run[:8] or one.alert.job}")
            _keep(home, state, log)
        except NotDelivered as error:
            told.failed, told.reason = time.time(), str(error)
            _later(state, one, str(error), log, now)


def _later(state: AlertState, one: Owed, reason: str, log: DeliveryLog, now: float) -> None:
    one.tries += 1
    if now - one.since > GIVEN_UP_S and one.tries > TRIES:
        log.error(f"given up after a day: {one.alert.event} of {one.alert.run or one.alert.job}: {reason}")
        state.owed.remove(one)
        return
    wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (one.tries - 1))
    one.due = now + wait
    log.warning(f"not delivered, again in {wait:.0f} s: {reason}")
