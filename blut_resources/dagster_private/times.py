"""Gives an event of Dagster's the time at which it happened: it has that at which it was logged."""

import logging
from typing import Any

import dagster as dg
from dagster._core.log_manager import LOG_RECORD_EVENT_ATTR

WHEN = "timestamp"
"""Metadata of an observation with the time that it is of."""


def keep_own_times(log: logging.Logger) -> None:
    """Have observations that say when they were made stand at that time in the history and in the UI's plots.

    Public API takes no time for an event: it is that of the record of `logging` that carries it. Look at
    ``construct_event_record``.
    """
    if not any(isinstance(one, _OwnTimes) for one in log.filters):
        log.addFilter(_OwnTimes())


class _OwnTimes(logging.Filter):
    """Sets the time of a record that carries such an observation."""

    def filter(self, record: logging.LogRecord) -> bool:
        event: Any = getattr(record, LOG_RECORD_EVENT_ATTR, None)
        if event is not None and event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            when = event.asset_observation_data.asset_observation.metadata.get(WHEN)
            if isinstance(when, dg.TimestampMetadataValue):
                record.created = when.value
        return True
