"""Databases that Blut makes itself are those that Dagster would have made, and Dagster's still open."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.dagster_private import birth
from blut_resources.instance.instance import open_instance
from tests.blut_resources.store.test_artifacts import small_disk
from tests.conftest import REPOSITORY

PLAIN = "telemetry: {enabled: false}\n"
DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


@dg.job
def nothing() -> None:
    """A run with events."""

    @dg.op
    def step() -> None: ...

    step()


def run_once(home: Path, yaml: str, monkeypatch: pytest.MonkeyPatch) -> str:
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(yaml)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with open_instance() as instance:
        return nothing.execute_in_process(instance=instance).run_id


def query(path: Path, text: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(text))


def schema(path: Path) -> dict[str, set[tuple[str, str, str]]]:
    """Of each table what makes it and its indexes."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for table, kind, name, sql in query(
        path, "SELECT tbl_name, type, name, coalesce(sql, '') FROM sqlite_master"
    ):
        found.setdefault(table, set()).add((kind, name, "".join(sql.split())))
    return found


def content(path: Path) -> dict[str, object]:
    return {
        "schema": schema(path),
        "stamp": query(path, "SELECT version_num FROM alembic_version"),
        "migrated": query(path, "SELECT name FROM secondary_indexes WHERE migration_completed IS NOT NULL"),
        "journal": query(path, "PRAGMA journal_mode"),
    }


def shipped_yaml() -> str:
    return (REPOSITORY / ".dagster" / "dagster.yaml").read_text()


def test_a_new_home_is_what_dagster_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    their_run, our_run = run_once(theirs, PLAIN, monkeypatch), run_once(ours, shipped_yaml(), monkeypatch)
    for name in DATABASES:
        assert content(ours / name) == content(theirs / name), name
    shards = [home / f"history/runs/{run}.db" for home, run in ((ours, our_run), (theirs, their_run))]
    lean, full = schema(shards[0]), schema(shards[1])
    assert lean.keys() == {"event_logs", "asset_event_tags", "alembic_version"}
    assert lean == {table: full[table] for table in lean}, "the tables of a run that are used"
    for what in ("SELECT version_num FROM alembic_version", "PRAGMA journal_mode"):
        assert query(shards[0], what) == query(shards[1], what)


def test_a_home_of_plain_dagster_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_once(tmp_path, PLAIN, monkeypatch)
    again = run_once(tmp_path, shipped_yaml(), monkeypatch)
    with open_instance() as instance:
        assert {r.run_id for r in instance.get_runs()} == {run, again}
        assert len(instance.all_logs(run)) == len(instance.all_logs(again)) > 3


def test_an_older_home_opens_and_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once(tmp_path, PLAIN, monkeypatch)
    older = "5771160a95ad"
    for name in DATABASES:
        query(tmp_path / name, "SELECT 1")
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (older,))
            connection.execute("DROP TABLE IF EXISTS instance_info")
            connection.commit()
    run = run_once(tmp_path, shipped_yaml(), monkeypatch)
    assert birth.has_table(tmp_path / DATABASES[0], "instance_info")
    with open_instance() as instance:
        assert instance.get_run_by_id(run)
        instance.upgrade()
    newest = birth.newest_revision()
    assert newest and [birth.revision_of(tmp_path / name) for name in DATABASES] == [newest] * 3


def test_a_home_without_a_stamp_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_once(tmp_path, PLAIN, monkeypatch)
    for name in DATABASES:
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("DROP TABLE alembic_version")
    run_once(tmp_path, shipped_yaml(), monkeypatch)
    assert all(birth.revision_of(tmp_path / name) for name in DATABASES)
    with open_instance() as instance:
        assert instance.get_run_by_id(run)


def test_of_several_births_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    statements = ["CREATE TABLE t (x INTEGER)"]
    assert birth.create(path, statements, "abc")
    assert not birth.create(path, ["CREATE TABLE other (x INTEGER)"], "def")
    assert birth.revision_of(path) == "abc"
    assert birth.statements_in(path, {"t"}) == statements and birth.statements_in(path, {"u"}) == []
    assert [child.name for child in tmp_path.iterdir()] == ["a.db"]


def test_the_newest_revision_is_what_alembic_says(home: Path) -> None:
    with open_instance() as instance:
        assert instance.run_storage.alembic_version() == (birth.newest_revision(),) * 2


@pytest.mark.sqlite
def test_what_a_run_does_not_use_is_imported_when_it_is_used(home: Path) -> None:
    code = """
import sys
import blut_assets.definitions
from blut_resources.instance.instance import open_instance
with open_instance() as instance:
    assert not {"alembic", "structlog", "tqdm", "mako"} & sys.modules.keys()
    first, second = instance.run_storage.alembic_version()
    assert first == second and "alembic" in sys.modules
    state = instance.defs_state_storage
    assert str(state.base_path / "a").startswith(instance.root_directory)
    state.set_latest_version("a", "1")
    assert state.get_latest_defs_state_info().get_version("a") == "1"
    from dagster._core.definitions import freshness_evaluator
    freshness_evaluator.logger.info("seen")
    import structlog
    structlog.get_logger()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert "seen" in done.stdout


def test_a_database_for_which_there_is_no_room_leaves_nothing(tmp_path: Path) -> None:
    """Half of one would be malformed for ever."""
    statements = [f"CREATE TABLE t{number} (word TEXT)" for number in range(20)]
    for size in ("64k", "132k", "148k", "164k", "180k", "196k"):
        with small_disk(tmp_path / size, size) as disk:
            path = disk / "history.db"
            try:
                made = birth.create(path, statements, "head")
            except sqlite3.OperationalError as error:
                made = "disk is full" not in str(error)
            assert made == path.exists()
            assert not made or query(path, "PRAGMA quick_check") == [("ok",)]
            assert made or not list(disk.iterdir())
