"""Defines the storage in PostgreSQL that a process of Blut opens for itself, with connections that are kept.

No file of a home names it: a ``dagster.yaml`` names Dagster's own, which whoever else opens the home uses.

Apart from `instance`, for its slow import.
"""

import tempfile
from typing import Any

import dagster as dg
from dagster_postgres.utils import pg_url_from_config

from blut_resources.dagster_private import postgres_birth as birth
from blut_resources.dagster_private.postgres import PooledPostgresStorage, PostgresEventLog
from blut_resources.dagster_private.reading import ReadStorage
from blut_resources.database import connections
from blut_resources.database.address import read
from blut_resources.instance_storage import without_the_unread


class PostgresEvents(PostgresEventLog):
    """Stores the events, without what nobody reads."""

    def kept(self, entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
        """Returns an event without what nobody reads, or None if that is all of it."""
        return without_the_unread(entry)


class PostgresStorage(PooledPostgresStorage):
    """Keeps Dagster's PostgreSQL storage."""

    event_log = PostgresEvents


class ReadPostgresStorage(PostgresStorage):
    """Reads the same. Where there are no tables it makes none: there is nothing to be read."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        address = read(pg_url_from_config(config_value), "dagster.yaml")
        if not config_value.get("auth_provider") and birth.usable(connections.to(address)).is_empty:
            with tempfile.TemporaryDirectory() as nothing:
                return ReadStorage(nothing, inst_data)  # what it has to have, it makes elsewhere
        return super().from_config_value(inst_data, config_value)
