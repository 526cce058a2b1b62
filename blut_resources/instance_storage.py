"""Dagster's SQLite storage, created under a lock: named in ``dagster.yaml``, and slow to import."""

from pathlib import Path
from typing import Any

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from blut_resources.store import file_lock


class LockedSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage, created under a file lock.

    Dagster migrates a new database without one: eight first commands at once fail, and can leave a
    schedule database with two alembic heads that no later command opens.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LockedSqliteStorage":
        base = Path(config_value["base_dir"])
        with file_lock(base / ".instance.lock"):
            return cls(str(base), inst_data)
