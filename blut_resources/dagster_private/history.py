"""Tells one history from another."""

import dagster as dg


def identity(instance: dg.DagsterInstance) -> str:
    """Returns the id by which a history knows itself, made at the first look; empty where it is in no SQL
    database.

    Public API gives none. Look at ``get_run_storage_id`` of ``SqlRunStorage``.
    """
    # at its first import it brings what migrates databases: by now the instance has brought it, without that
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

    storage = instance.run_storage
    return storage.get_run_storage_id() if isinstance(storage, SqlRunStorage) else ""


def keeps_in_files(instance: dg.DagsterInstance) -> bool:
    """Says whether SQLite keeps a history. Look at ``SqliteRunStorage``."""
    return any(kind.__name__ == "SqliteRunStorage" for kind in type(instance.run_storage).__mro__)
