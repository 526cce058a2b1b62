"""Tells the hooks of failed runs, retrainings and checks, and of blocked policies, while the daemon runs."""

import functools
import itertools
import time

import dagster as dg

from blut_resources.instance.instance import home_of
from blut_resources.text import one_line
from sensors.alerts import ledger
from sensors.alerts.causes import blocked_by_daemon
from sensors.alerts.ledger import AlertState, state_of
from sensors.alerts.scope import AlertScope
from sensors.alerts.settings import AlertSettings, AlertSettingsError, settings_path, usable
from sensors.alerts.telling import NAME, TellingTime, Told, from_now_on, tell
from sensors.turns import SensorTurn, turn_of

INTERVAL_S = 30
BOUNDS = TellingTime(patience=10.0, budget=40.0, each=30.0)
"""Dagster ends a tick after a minute."""


def alerts_sensor(own: AlertScope) -> dg.SensorDefinition:
    """Returns the sensor that tells the hooks of what a scope names; without settings it tells nobody."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the hooks in alerts.toml of failed runs, retrainings and checks of Blut's, and of"
        " policies that cannot be acted on; starts nothing.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        turn = turn_of(context, NAME)
        if turn.waits:
            seen = state_of(turn.cursor).model_copy(update={"own": own})
            return dg.SensorResult(skip_reason=turn.waits, cursor=seen.model_dump_json())
        try:
            settings, problems = usable(settings_path())
        except AlertSettingsError as error:
            return dg.SensorResult(skip_reason=f"nobody is told: {one_line(error)}", cursor=_cursor(own))
        for problem in problems:
            context.log.error(problem.text)
        return _tick(context, turn, own, settings)

    return alerts


def _tick(
    context: dg.SensorEvaluationContext, turn: SensorTurn, own: AlertScope, settings: AlertSettings
) -> dg.SensorResult:
    home, hooks = home_of(context.instance), settings.hook
    if not hooks:
        ledger.forget(home)
        why = f"off: no hook in {settings_path()}"
        off = from_now_on(context.instance).model_copy(update={"own": own, "off": True, "told": time.time()})
        return dg.SensorResult(skip_reason=why, cursor=off.model_dump_json())
    others = [state_of(cursor).own for cursor in (turn.cursor, *turn.cursors)]
    scope = functools.reduce(lambda all_, one: all_ | one, others, own)
    found = tell(context.instance, scope, settings, context.log, BOUNDS, blocked_by_daemon(context.instance))
    return dg.SensorResult(skip_reason=_words(found), cursor=_cursor(own))


def _cursor(own: AlertScope) -> str:
    """Returns what other code locations have to know of this one."""
    return AlertState(own=own).model_dump_json(include={"own"})


def _words(found: Told) -> str:
    if found.state is None:
        return "a command tells the hooks at this moment; the next tick does"
    words = [f"{found.new} to tell", f"{len(found.state.owed)} still owed"]
    waiting = itertools.islice(found.state.owed, 5)
    return ", ".join(words) + "".join(f"\n{o.hook}: {o.alert.event}, {o.tries} tries" for o in waiting)
