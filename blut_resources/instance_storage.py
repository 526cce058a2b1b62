"""Keeps the name under which every home's ``dagster.yaml`` asks for its storage."""

from blut_resources.instance.storage import LockedSqliteStorage

__all__ = ["LockedSqliteStorage"]
