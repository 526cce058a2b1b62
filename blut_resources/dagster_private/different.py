"""Finds which materializations of an asset say something that no other one says.

A history of thousands of runs holds mostly results that were reused, each with all its metadata. To make
objects of every one takes minutes; what tells them apart is found in their text.

Public API yields whole events only. Look at ``SqlEventLogStorage.index_connection``, at the columns of the
tables of events and of assets, and at how an event is stored (``serialize_value``).
"""

import re

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage


def first_and_last(instance: dg.DagsterInstance, key: dg.AssetKey, tags: tuple[str, ...]) -> list[int] | None:
    """Returns the storage ids of the oldest and of the newest materialization with each partition and tags,
    the newest first; None where all have to be read.

    One that lacks any of the tags is like no other. An asset that was wiped has to be read, as Dagster knows
    from when on.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return None
    events, assets = SqlEventLogStorageTable.c, AssetKeyTable.c
    found: dict[tuple[object, ...], tuple[int, int]] = {}
    with storage.index_connection() as connection:
        wiped = sqlalchemy.select(assets.wipe_timestamp).where(assets.asset_key == key.to_string())
        if connection.execute(wiped).scalar() is not None:
            return None
        rows = connection.execute(
            sqlalchemy.select(events.id, events.partition, events.event)
            .where(events.asset_key == key.to_string())
            .where(events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
            .order_by(events.id)
        )
        for number, partition, text in rows:
            said = [_value(text, tag) for tag in tags]
            which = (partition, *said) if all(said) else (number,)
            found[which] = found.get(which, (number,))[0], number
    return sorted({number for ends in found.values() for number in ends}, reverse=True)


def _value(text: str, tag: str) -> str:
    """Returns the value of a tag of an event as it is stored; empty where it has none.

    Metadata come before the tags, so it is the last one; a text that looks like it has its quotes escaped.
    """
    found = re.findall(rf'(?<!\\)"{re.escape(tag)}": ?"([^"\\]+)"', text)
    return found[-1] if found else ""
