"""Marks runs as failed whose process died, so that nothing is shown as running for ever."""

import dagster as dg

from blut_resources.alive import reap_dead_runs
from sensors.turns import turn_of

NAME = "blut_reaper"


@dg.sensor(
    name=NAME,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs as failed whose process is gone, and ends what they left. It starts nothing.",
)
def reaper(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mark the runs whose process is gone as failed; says which."""
    if waits := turn_of(context, NAME).waits:
        return dg.SkipReason(waits)
    reaped = reap_dead_runs(context.instance)
    ids = ", ".join(run_id[:8] for run_id in reaped)
    return dg.SkipReason(f"marked as failed, their process died: {ids}" if reaped else "every run is alive")
