"""Counts what sensors have said, tick by tick: how much of it is old."""

from typing import Any

import dagster as dg
import sqlalchemy
from dagster._time import datetime_from_timestamp

from blut_resources.dagster_private.instigators import InstigatorState


def count_of(instance: dg.DagsterInstance, state: InstigatorState, before: float) -> int:
    """Returns how many ticks of a sensor are from before a time in seconds since 1970; 0 if nobody can tell.

    Public API deletes old ticks and counts none. When it changes, look at ``purge_ticks`` of
    ``SqlScheduleStorage``: what it deletes is counted here.
    """
    # at their first import they bring what migrates databases: by now the instance has, without that
    from dagster._core.storage.schedules.schema import JobTickTable
    from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

    storage: Any = instance.schedule_storage
    if not isinstance(storage, SqlScheduleStorage):
        return 0
    columns = JobTickTable.c
    older = columns.timestamp < datetime_from_timestamp(before)
    query = sqlalchemy.select(sqlalchemy.func.count()).where(older, columns.selector_id == state.selector_id)
    with storage.connect() as connection:
        return connection.execute(query).scalar_one()
