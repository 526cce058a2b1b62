"""The storage of Blut keeps of each event what Dagster's own keeps of it, and finds the same."""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from blut_resources.dagster_private.storage import PooledEventLog

ASSETS = """\
SELECT id, asset_key, last_materialization, last_run_id, last_materialization_timestamp
FROM asset_keys ORDER BY id"""
TAGS = "SELECT event_id, asset_key, key, value, event_timestamp FROM asset_event_tags ORDER BY id"
EVENTS = """\
SELECT id, run_id, dagster_event_type, timestamp, step_key, asset_key, partition
FROM event_logs ORDER BY id"""

Pair = tuple[SqliteEventLogStorage, SqliteEventLogStorage]


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["north"]))
def ore() -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        data_version=dg.DataVersion("rich"), metadata={"tons": 3}, tags={"of": "mine"}
    )


@dg.asset(deps=[ore])
def slag(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetObservation("slag", tags={"seen": "yes"}))
    context.log.info("a word of it")


@dg.asset_check(asset=slag)
def is_cold() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def _ran() -> list[dg.EventLogEntry]:
    """Returns the events of a run of all of them."""
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([ore, slag, is_cold], instance=instance, partition_key="north")
        return list(instance.all_logs(done.run_id))


@pytest.fixture(scope="module")
def runs() -> list[list[dg.EventLogEntry]]:
    return [_ran(), _ran()]


@pytest.fixture(params=["each", "together"])
def both(
    tmp_path: Path, runs: list[list[dg.EventLogEntry]], request: pytest.FixtureRequest
) -> Iterator[Pair]:
    """Dagster's storage and that of Blut, which were given the same events, and may write some together."""
    stock, ours = (
        SqliteEventLogStorage(str(tmp_path / "stock")),
        PooledEventLog(str(tmp_path / "ours")),
    )
    with ours.together() if request.param == "together" else contextlib.nullcontext():
        for event in itertools.chain(*runs):
            stock.store_event(event)
            ours.store_event(event)
            if event.is_dagster_event and event.dagster_event_type is dg.DagsterEventType.STEP_START:
                assert ours.get_logs_for_run(event.run_id)[-1] == event
    yield stock, ours
    for storage in (stock, ours):
        storage.dispose()


def _rows(storage: SqliteEventLogStorage, shard: str, *queries: str) -> list[list[Any]]:
    with sqlite3.connect(storage.path_for_shard(shard)) as connection:
        return [connection.execute(query).fetchall() for query in queries]


def test_the_tables_hold_what_dagster_writes(both: Pair, runs: list[list[dg.EventLogEntry]]) -> None:
    stock, ours = (_rows(storage, "index", ASSETS, TAGS, EVENTS) for storage in both)
    assert ours == stock
    assert [len(rows) > 1 for rows in ours] == [True, True, True]
    for events in runs:
        stock, ours = (_rows(storage, events[0].run_id, EVENTS) for storage in both)
        assert ours == stock
        assert len(ours[0]) == len(events)


@pytest.mark.parametrize("after", ["", "wiped", "wiped and planned", "wiped and made"])
def test_the_newest_of_each_asset_is_found_as_dagster_finds_it(
    both: Pair, runs: list[list[dg.EventLogEntry]], after: str
) -> None:
    kinds = {"planned": "ASSET_MATERIALIZATION_PLANNED", "made": "ASSET_MATERIALIZATION"}
    again = [
        event._replace(timestamp=event.timestamp + 1e6)
        for event in runs[0]
        if event.is_dagster_event
        and event.get_dagster_event().asset_key == ore.key
        and event.get_dagster_event().event_type_value == kinds.get(after.rpartition(" ")[2])
    ]
    for storage in both:
        if after:
            storage.wipe_asset(ore.key)
        for event in again:
            storage.store_event(event)
    stock, ours = map(_newest, both)
    assert ours == stock
    assert bool(ours[ore.key]) == (after in ("", "wiped and made"))
    assert ours[slag.key]


def _newest(storage: SqliteEventLogStorage) -> dict[dg.AssetKey, dg.EventLogEntry | None]:
    """Returns what the storage says of each asset in both ways that it is asked, which are to agree."""
    records = [one.asset_entry for one in storage.get_asset_records([ore.key, slag.key])]
    found = {one.asset_key: one.last_materialization_record for one in records}
    events = {key: record.event_log_entry if record else None for key, record in found.items()}
    nothing = dict.fromkeys((ore.key, slag.key))
    assert {**nothing, **events} == {**nothing, **storage.get_latest_materialization_events(nothing)}
    return {**nothing, **events}
