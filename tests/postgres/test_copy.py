"""A history that moves from SQLite to PostgreSQL: all of it, or nothing where that is interrupted."""

import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorType

from blut_resources.dagster_private.history import identity
from blut_resources.dagster_private.instigators import cursors
from blut_resources.dagster_private.names import INPUT_EVENT_TAG
from blut_resources.instance.instance import open_instance
from tests import forked
from tests.databases import Server
from tests.e2e.box import BLUT
from tests.neighbours.toy import install
from tests.sensors.kept import keep

pytestmark = pytest.mark.postgres
RECIPE = "neighbour_line"


@pytest.fixture
def site(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a history: runs of a recipe, one that failed, one refused, a wiped asset, checks."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([install(tmp_path / "site"), *sys.path]))
    monkeypatch.setenv("BLUT_COOKBOOKS", "neighbour")
    for _ in "12":
        assert blut("recipe", "run", RECIPE).returncode == 0
    with open_instance() as instance:
        _something(instance)
    return home


def _something(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def one() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"text": "tab\t back\\slash \\N\nline \u2603"})

    @dg.asset_check(asset=one)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    @dg.asset
    def wiped() -> None: ...

    @dg.asset
    def broken() -> None:
        raise ValueError("as it should")

    @dg.asset(check_specs=[dg.AssetCheckSpec("gate", asset="judged", blocking=True)])
    def judged() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, description="too low")])

    dg.materialize([one, fine, wiped], instance=instance)
    dg.materialize([broken], instance=instance, raise_on_error=False)
    dg.materialize([judged], instance=instance, raise_on_error=False)
    instance.wipe_assets([wiped.key])
    instance.add_dynamic_partitions("parts", ["a", "b"])
    instance.daemon_cursor_storage.set_cursor_values({"a": "b"})
    instance.report_runless_asset_event(dg.AssetMaterialization("outside", tags={"x": "1"}))


def blut(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **variables}
    return forked.server(*forked.RUN).run([*BLUT[1:], *words], env, Path(env["DAGSTER_HOME"]))


def told(instance: dg.DagsterInstance) -> dict[str, object]:
    """What can be asked of a history."""
    runs = [(r.storage_id, r.dagster_run, r.start_time, r.end_time) for r in instance.get_run_records()]
    keys = sorted(instance.all_asset_keys())
    checks = dg.AssetCheckKey(dg.AssetKey("one"), "fine")
    records = instance.event_log_storage.get_asset_check_execution_history(checks, 10)
    logs = {run[1].run_id: log_of(instance, run[1].run_id) for run in runs}
    return {
        "runs": runs,
        "logs": {run_id: [said(record.event_log_entry) for record in log] for run_id, log in logs.items()},
        "order": order(instance),
        "latest": {key: said(instance.get_latest_materialization_event(key)) for key in keys},
        "tags": [instance.get_event_tags_for_asset(key) for key in keys],
        "checks": [(one.id, one.status, said(one.event)) for one in records],
        "judged": [judged(instance, one.event) for one in records],
        "parts": instance.get_dynamic_partitions("parts"),
        "cursor": instance.daemon_cursor_storage.get_cursor_values({"a"}),
        "id": identity(instance),
    }


def log_of(instance: dg.DagsterInstance, run_id: str) -> list[dg.EventLogRecord]:
    """As Dagster's UI reads it: page by page."""
    records: list[dg.EventLogRecord] = []
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, limit=7)
        records += page.records
        cursor = page.cursor
        if not page.has_more:
            return records


NUMBER = re.compile(r"storage_id=\d+|'dagster/input_event_pointer/[^']*': '\d+'")


def said(event: dg.EventLogEntry | None) -> str:
    """All that an event says but by what number it knows another."""
    return NUMBER.sub("", repr(event))


def judged(instance: dg.DagsterInstance, event: dg.EventLogEntry | None) -> str:
    """The materialization that a check was of, by the number that the check knows it by."""
    assert event is not None and event.dagster_event is not None
    target = event.dagster_event.asset_check_evaluation_data.target_materialization_data
    assert target is not None
    wanted = dg.AssetRecordsFilter(dg.AssetKey("one"), storage_ids=[target.storage_id])
    (record,) = instance.fetch_materializations(wanted, 9).records
    return said(record.event_log_entry)


def order(instance: dg.DagsterInstance) -> Mapping[str, Sequence[str]]:
    """The events of assets and the ends of runs; the newest first, which its asset is known by too."""
    kind, keys = dg.DagsterEventType, sorted(instance.all_asset_keys())
    made = {f"made {key}": instance.fetch_materializations(key, 99).records for key in keys}
    ends = {
        f"runs {one}": instance.fetch_run_status_changes(one, 99).records
        for one in (kind.RUN_SUCCESS, kind.RUN_FAILURE)
    }
    for records in [*made.values(), *ends.values()]:
        numbers = [one.storage_id for one in records]
        assert numbers == sorted(numbers, reverse=True)
    for asset in instance.get_asset_records(keys):
        newest = made[f"made {asset.asset_entry.asset_key}"]
        known = asset.asset_entry.last_materialization_storage_id
        assert known == (newest[0].storage_id if newest else None)
    return {
        name: [said(one.event_log_entry) for one in records] for name, records in {**made, **ends}.items()
    }


def digest(home: Path) -> str:
    """Of all databases of a home."""
    found = hashlib.sha256()
    for folder in ("history", "schedules"):
        for path in sorted((home / folder).rglob("*.db")):
            with closing(sqlite3.connect(path)) as connection:
                found.update("\n".join(connection.iterdump()).encode())
    return found.hexdigest()


def test_all_of_it_is_there_and_reused(site: Path, server: Server) -> None:
    with open_instance(write=False) as instance:
        before = told(instance)
    source, address = digest(site), server.database()
    done = blut("database", "copy", address)
    assert done.returncode == 0, done.stderr
    assert digest(site) == source, "the source was touched"
    for opened in (open_instance(write=False), dg.DagsterInstance.from_config(str(site))):
        with opened as instance:
            after = told(instance)
        assert {name for name in before if before[name] != after[name]} == set()
    again = blut("recipe", "run", RECIPE)
    assert again.returncode == 0 and "1 reused" in again.stdout
    with open_instance(write=False) as instance:
        assert instance.get_run_records(limit=1)[0].storage_id == len(before["runs"]) + 1  # type: ignore[arg-type]
    assert blut("database", "show").stdout.strip() == address
    refused = blut("database", "copy", server.database())
    assert refused.returncode == 1 and "is not in the home" in refused.stderr


def test_sensors_of_dagsters_own_kinds_miss_nothing_and_see_nothing_twice(site: Path, server: Server) -> None:
    """Each has seen one of two: the next tick is to ask for a run, and the one after it for none."""

    @dg.asset
    def seen() -> None: ...

    @dg.asset(deps=[seen])
    def below() -> None: ...

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def asked() -> None:
        nothing()

    @dg.asset_sensor(asset_key=seen.key, job=asked)
    def on_asset(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest:
        return dg.RunRequest(event.run_id)

    @dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, monitored_jobs=[asked], request_job=asked)
    def on_run(context: dg.RunStatusSensorContext) -> dg.RunRequest:
        return dg.RunRequest(context.dagster_run.run_id)

    def ticked(sensor: dg.SensorDefinition, kind: str) -> list[str | None]:
        """As the daemon: with the cursor that is kept, and leaving another."""
        with open_instance() as instance:
            (cursor,) = [one.text for one in cursors(instance) if one.sensor == sensor.name] or [None]
            repository = dg.Definitions(sensors=[sensor], jobs=[asked]).get_repository_def()
            with dg.build_sensor_context(
                instance, cursor, repository_def=repository, sensor_name=sensor.name
            ) as context:
                done = sensor.evaluate_tick(context)
            keep(instance, sensor.name, "theirs", cursor=done.cursor, sensor_type=SensorType[kind])
        return [one.run_key for one in done.run_requests or ()]

    both: list[tuple[dg.SensorDefinition, str]] = [(on_asset, "ASSET"), (on_run, "RUN_STATUS")]
    runs: list[str] = []
    for _ in "12":
        with open_instance() as instance:
            dg.materialize([seen, below], instance=instance)
            asked.execute_in_process(instance=instance)
            runs = [run.run_id for run in instance.get_runs(limit=2)][::-1]
        if _ == "1":
            for sensor, kind in both:
                ticked(sensor, kind)
    up_to_date = dg.AssetSensorDefinition(
        "up_to_date", seen.key, "asked", lambda _, event: dg.RunRequest("x")
    )
    assert ticked(up_to_date, "ASSET") == ["x"]
    done = blut("database", "copy", server.database())
    assert done.returncode == 0 and "keep their numbers" not in done.stdout, done.stderr
    assert ticked(up_to_date, "ASSET") == []
    assert [ticked(sensor, kind) for sensor, kind in both] == [[runs[0]], [runs[1]]]
    assert [ticked(sensor, kind) for sensor, kind in both] == [[], []]
    with open_instance(write=False) as instance:
        (below_now,) = instance.fetch_materializations(below.key, 1).records
        (seen_now,) = instance.fetch_materializations(seen.key, 1).records
        assert below_now.asset_materialization is not None
        tags = below_now.asset_materialization.tags or {}
        assert tags[f"{INPUT_EVENT_TAG}/seen"] == str(seen_now.storage_id)


def test_what_remembers_the_number_of_an_event_goes_on_where_it_was(site: Path, server: Server) -> None:
    """The cursor of a sensor of somebody's own has a form that nobody knows."""
    kind = dg.DagsterEventType.RUN_SUCCESS
    with open_instance() as instance:
        ends = instance.fetch_run_status_changes(kind, 99).records
        seen = ends[1].storage_id
        instance.daemon_cursor_storage.set_cursor_values({"somebody": f"seen:{seen}"})
    done = blut("database", "copy", server.database())
    assert (
        done.returncode == 0 and "keep their numbers, which a daemon (somebody) may remember" in done.stdout
    )
    with open_instance() as instance:
        cursor = instance.daemon_cursor_storage.get_cursor_values({"somebody"})["somebody"]
        newer = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=int(cursor.removeprefix("seen:")))
        assert [one.run_id for one in instance.fetch_run_status_changes(newer, 99).records] == [
            ends[0].run_id
        ]
        instance.report_runless_asset_event(dg.AssetMaterialization("later"))
        (later,) = instance.fetch_materializations(dg.AssetKey("later"), 99).records
    assert later.storage_id == last_number(site) + 1


def last_number(home: Path) -> int:
    """Of the events that all of Dagster's queries over runs see."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as index:
        return index.execute("SELECT max(id) FROM event_logs").fetchone()[0]


def test_commands_say_the_same_of_runs_of_before(site: Path, server: Server) -> None:
    """A refusal is told by a check, which the index has, and by a step, which it has not."""
    with open_instance(write=False) as instance:
        runs = [run.run_id for run in instance.get_runs()]
    asked = [("jobs", "--json"), *(("log", run_id) for run_id in runs)]
    before = [blut(*words).stdout for words in asked]
    assert "check gate failed: too low" in before[0], before[0]
    assert blut("database", "copy", server.database()).returncode == 0
    assert [blut(*words).stdout for words in asked] == before


def test_a_target_with_a_history_is_refused(site: Path, server: Server, tmp_path: Path) -> None:
    address = server.database()
    (tmp_path / "other").mkdir()
    elsewhere = {"DAGSTER_HOME": str(tmp_path / "other"), "BLUT_DATABASE": address}
    assert blut("recipe", "run", RECIPE, **elsewhere).returncode == 0
    done = blut("database", "copy", address)
    assert done.returncode == 1 and "has a history already" in done.stderr
    assert "sqlite" in blut("database", "show").stdout.lower()


def test_a_live_run_is_not_left_behind(site: Path, server: Server) -> None:
    with open_instance() as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("g").to_job(name="theirs"))
        instance.report_engine_event("starts", run)
    done = blut("database", "copy", server.database())
    assert done.returncode == 1 and run.run_id[:8] in done.stderr and "blut cancel" in done.stderr


@pytest.mark.parametrize("after_s", [0.0, 0.4])
def test_a_copy_that_is_killed_leaves_nothing(after_s: float, site: Path, server: Server) -> None:
    many_runs(site, 1500)
    source, address = digest(site), server.database()
    before = (site / "dagster.yaml").read_text()
    process = subprocess.Popen([*BLUT, "database", "copy", address], stderr=subprocess.DEVNULL)
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' OR query LIKE 'SELECT%event_logs%'"
    )
    deadline = time.monotonic() + 60
    while server.sql(count) == "0" and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was over by then"
    assert (site / "dagster.yaml").read_text() == before and digest(site) == source
    assert "1 reused" in blut("recipe", "run", RECIPE).stdout
    done = blut("database", "copy", address)
    assert done.returncode == 0, done.stderr
    assert "1 reused" in blut("recipe", "run", RECIPE).stdout


def many_runs(home: Path, count: int) -> None:
    """Make copies of a run and its events, under other ids."""
    history = home / "history"
    with (
        closing(sqlite3.connect(history / "runs.db")) as runs,
        closing(sqlite3.connect(history / "runs" / "index.db")) as index,
    ):
        (run_id,) = runs.execute("SELECT run_id FROM runs ORDER BY id LIMIT 1").fetchone()
        tables = {runs: ("runs", "run_tags"), index: ("event_logs",)}
        shard = (history / "runs" / f"{run_id}.db").read_bytes()
        for number in range(count):
            new = f"{number:08x}{run_id[8:]}"
            for connection, names in tables.items():
                for name in names:
                    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")][1:]
                    listed = ", ".join(f'"{column}"' for column in columns)
                    made = listed.replace('"run_id"', f"'{new}'").replace(
                        '"event"', f"replace(\"event\", '{run_id}', '{new}')"
                    )
                    made = made.replace('"run_body"', f"replace(\"run_body\", '{run_id}', '{new}')")
                    connection.execute(
                        f"INSERT INTO {name} ({listed}) SELECT {made} FROM {name} WHERE run_id = ?", (run_id,)
                    )
            path = history / "runs" / f"{new}.db"
            path.write_bytes(shard)
            with closing(sqlite3.connect(path)) as log:  # a text may lie in pages that are apart
                log.execute("PRAGMA synchronous = OFF")
                change = "UPDATE event_logs SET run_id = ?2, event = replace(event, ?1, ?2)"
                log.execute(change, (run_id, new))
                log.commit()
        runs.commit()
        index.commit()


@pytest.mark.heavy
def test_ten_thousand_runs_are_all_there(site: Path, server: Server) -> None:
    """Each with its log in its order, and what they made is reused."""
    many_runs(site, 10_000)
    with open_instance(write=False) as instance:
        before = [record.dagster_run for record in instance.get_run_records()]
        some = [run.run_id for run in before[:: len(before) // 9]]
        logs = [[said(one.event_log_entry) for one in log_of(instance, run_id)] for run_id in some]
    done = blut("database", "copy", server.database())
    assert done.returncode == 0, done.stderr
    with open_instance(write=False) as instance:
        assert [record.dagster_run for record in instance.get_run_records()] == before
        assert [[said(one.event_log_entry) for one in log_of(instance, run_id)] for run_id in some] == logs
    assert "1 reused" in blut("recipe", "run", RECIPE).stdout
