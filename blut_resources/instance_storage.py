"""Defines the storage that a process of Blut opens for itself: Dagster's databases, kept open and compact.

No file of a home names it: whoever opens the home otherwise does so with Dagster's own classes. Homes of
older versions name `LockedSqliteStorage` in their ``dagster.yaml``; under that name it stays.

Apart from `instance`, for its slow import.
"""

import functools
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.boxes.owner import claim, owner
from blut_resources.dagster_private.pool import never_write
from blut_resources.dagster_private.reading import ReadStorage
from blut_resources.dagster_private.storage import PooledEventLog, PooledStorage
from blut_resources.files.durable import file_lock
from blut_resources.files.full import is_full
from blut_resources.files.modes import INSTANCE_LOCK, follow_group, make_private
from blut_resources.instance.damage import MAIN, explained, refuse_emptied, told

HANDLES = "blut_handles"
"""The I/O manager of stage assets, whose handles are in their materializations."""
PASSED = (dg.DagsterEventType.HANDLED_OUTPUT, dg.DagsterEventType.LOADED_INPUT)


def without_the_unread(entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
    """Returns an event without what nobody reads, or None if that is all of it.

    The tags of log lines repeat the names of run, job and step. That a handle went through its I/O manager
    says nothing at all.
    """
    event = entry.dagster_event
    if event is None:
        return entry
    said: Any = event.event_specific_data
    if event.event_type in PASSED and said.manager_key == HANDLES and not said.metadata:
        return None
    return entry._replace(dagster_event=event._replace(logging_tags={}))


class EventLog(PooledEventLog):
    """Stores the events, without what nobody reads."""

    def kept(self, entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
        """Returns an event without what nobody reads, or None if that is all of it."""
        return without_the_unread(entry)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event.

        Raises:
            HistoryDamaged: the file system is full; a run that ends by it says so.
        """
        try:
            super().store_event(event)
        except Exception as error:
            if not is_full(error):
                raise
            raise explained(self.directory.parents[1], error) from error


class LockedSqliteStorage(PooledStorage):
    """Keeps Dagster's SQLite storage, created under a file lock.

    Dagster migrates a new database without one: eight first commands at once fail, and can leave a
    schedule database with two alembic heads that no later command opens.
    """

    event_log = EventLog

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LockedSqliteStorage":
        base = Path(config_value["base_dir"])
        make_private(base)
        follow_group(base)
        claim(base)
        with file_lock(base / INSTANCE_LOCK), told(base):
            _refuse_emptied(base)
            return cls(str(base), inst_data)


class ReadSqliteStorage(ReadStorage):
    """Reads Dagster's SQLite storage, of which it makes and changes nothing."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "ReadSqliteStorage":
        base = Path(config_value["base_dir"])
        if other := owner(base):
            never_write(base)
            _say_once(
                f"{base} is written by {other}: what is shown is what it has written, nothing is changed here"
            )
        with told(base):
            _refuse_emptied(base)
            return cls(str(base), inst_data)


@functools.cache
def _say_once(line: str) -> None:
    print(f"blut: {line}", file=sys.stderr)


def _refuse_emptied(base: Path) -> None:
    for name in MAIN:
        refuse_emptied(base / name)
