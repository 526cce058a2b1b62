"""Removes old runs and ticks as the instance's own policy says; off until somebody turns it on, twice.

The sensor is stopped until it is switched on under Automation, and does nothing without a policy.
"""

import datetime as dt
import time

import dagster as dg

from blut_resources.instance.instance import home_of
from blut_resources.machine.memory import size_text
from sensors.housekeeping.choice import Choice, Removable, choose
from sensors.housekeeping.policy import DAY_S, HousekeepingError, policy_path, read_policy
from sensors.housekeeping.removal import remove_runs, shrink
from sensors.housekeeping.sweeps import old_sweeps, remove_sweeps
from sensors.housekeeping.ticks import remove_ticks
from sensors.turns import turn_of

NAME = "blut_housekeeping"

INTERVAL_S = 3600
BUDGET_S = 40.0
"""Seconds of a tick to remove in: Dagster ends one after a minute. The next one goes on."""
NAMED = 20


@dg.sensor(
    name=NAME,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Removes runs and ticks that are older than housekeeping.toml says; without it, nothing.",
)
def housekeeping(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Remove old runs and ticks as the policy says; says which."""
    if waits := turn_of(context, NAME).waits:
        return dg.SkipReason(waits)
    instance, now = context.instance, dt.datetime.now(dt.UTC)
    try:
        policy = read_policy(home_of(instance))
    except HousekeepingError as error:
        context.log.error(str(error))
        return dg.SkipReason(f"nothing is removed: {error}")
    if not policy.declares:
        return dg.SkipReason(f"off: nothing is declared in {policy_path(home_of(instance))}")
    choice = choose(instance, policy, now)
    removed = list(remove_runs(instance, choice.removable, time.monotonic() + BUDGET_S))
    sweeps = [*remove_sweeps(home_of(instance), old_sweeps(instance, policy, now, ()))]
    ticks = remove_ticks(instance, now.timestamp() - policy.tick_days * DAY_S) if policy.tick_days else 0
    freed = shrink(instance) if removed or ticks else 0
    return dg.SkipReason(_told(choice, removed, len(sweeps), ticks, freed))


def _told(choice: Choice, removed: list[Removable], sweeps: int, ticks: int, freed: int) -> str:
    n_bytes = sum(one.n_bytes for one in removed) + freed
    lines = [f"removed {len(removed)} runs and {ticks} ticks, {size_text(n_bytes)}"]
    lines += [f"removed what is known of {sweeps} sweeps whose runs have gone"] if sweeps else []
    lines += [f"{one.run_id} {one.job}" for one in removed[:NAMED]]
    left = len(choice.removable) - len(removed)
    stays = [f"{n} {reason}" for reason, n in choice.reasons().items()]
    return "\n".join([*lines, *([f"{left} more may go, at the next tick"] if left else []), *stays])
