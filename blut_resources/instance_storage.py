"""The name under which every home's ``dagster.yaml`` asks for its storage; it stays where homes look for it."""

from blut_resources.instance.storage import LockedSqliteStorage

__all__ = ["LockedSqliteStorage"]
