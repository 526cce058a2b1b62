"""Makes the schedule of a recipe that is run with fixed args, also of one with partitions."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg


def schedule_of(
    job: Any,
    partitions: dg.PartitionsDefinition | None,
    cron: str | list[str],
    timezone: str | None,
    status: dg.DefaultScheduleStatus,
) -> dg.ScheduleDefinition:
    """Returns a schedule that launches a job; of partitions each, and of those in time the newest."""
    if partitions is None:
        return dg.ScheduleDefinition(
            job=job, cron_schedule=cron, execution_timezone=timezone, default_status=status
        )

    def requests(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        keys, at = _due(partitions, context), context.scheduled_execution_time.isoformat()
        yield from (dg.RunRequest(run_key=f"{at} {key}", partition_key=key) for key in keys)
        if not keys:
            yield dg.SkipReason("there are no partitions")

    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=status,
        execution_fn=requests,
    )


def _due(partitions: dg.PartitionsDefinition, context: dg.ScheduleEvaluationContext) -> Sequence[str]:
    keys = partitions.get_partition_keys(
        current_time=context.scheduled_execution_time, dynamic_partitions_store=context.instance
    )
    return keys[-1:] if isinstance(partitions, dg.TimeWindowPartitionsDefinition) else keys
