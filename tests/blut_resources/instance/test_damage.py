"""A history that was cut, emptied, overwritten or lost is told in a sentence, and costs no results."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.history.failures import failure_of
from blut_assets.history.retention import collect_garbage
from blut_resources.alive import reap_dead_runs
from blut_resources.files.durable import StoreError
from blut_resources.instance import damage as history_damage
from blut_resources.instance.instance import home_of, open_instance, store_of
from tests.blut_assets.history.test_retention import run
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server
from tests.refusing import refusing


def damage(path: Path, how: str) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if how == "garbage":
        path.write_bytes(os.urandom(20_000))
    else:
        os.truncate(path, {"empty": 0, "cut": 5000}[how])
        os.utime(path, (1, 1))  # nobody is just making it


@pytest.fixture
def used(home: Path) -> Path:
    """A home in which something was made."""
    with open_instance() as instance:
        run(instance, "a")
    return home


@pytest.mark.sqlite
@pytest.mark.parametrize("how", ["empty", "cut", "garbage"])
@pytest.mark.parametrize("name", sorted(history_damage.MAIN))
def test_a_database_that_every_command_reads(used: Path, name: str, how: str) -> None:
    damage(used / name, how)
    with pytest.raises(StoreError) as told, history_damage.told(used), open_instance() as instance:
        list(instance.get_runs())
        instance.get_latest_materialization_event(dg.AssetKey(["notes", "first"]))
    (line,) = str(told.value).splitlines()
    assert line.startswith(f"{used / name} ") and "restore it from a backup, or " in line
    assert (used / name).stat().st_size == {"empty": 0, "cut": 5000, "garbage": 20_000}[how], "left as it was"


@pytest.mark.sqlite
def test_one_unreadable_log_costs_one_line(used: Path) -> None:
    with open_instance() as instance:
        run(instance, "b")
        _, hurt = sorted(instance.get_runs(), key=lambda one: one.run_id)
        log = used / "history" / "runs" / f"{hurt.run_id}.db"
    damage(log, "garbage")
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    listed = server(*RUN).run([*BLUT[1:], "jobs", "--json"], env, used)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count('"state": "success"') == 2
    assert f"its log cannot be read (file is not a database): {log}" in listed.stdout
    asked = server(*RUN).run([*BLUT[1:], "results", hurt.run_id], env, used)
    assert asked.returncode == 1 and asked.stderr.startswith(f"{log} cannot be read"), asked.stderr


@pytest.mark.sqlite
def test_a_dead_run_whose_log_is_damaged_holds_up_nobody(used: Path) -> None:
    with open_instance() as instance:
        gone = instance.create_run_for_job(
            dg.job(name="gone")(lambda: None), status=dg.DagsterRunStatus.STARTED
        )
        (used / "alive" / gone.run_id).write_text("1 1\n")
        instance.all_logs(gone.run_id)
    damage(used / "history" / "runs" / f"{gone.run_id}.db", "garbage")
    with open_instance() as instance:  # whose pages are not those that were read before
        assert reap_dead_runs(instance) == [gone.run_id]
        assert instance.get_run_by_id(gone.run_id).status is dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        assert "its log cannot be read" in failure_of(instance, gone.run_id).why
        assert reap_dead_runs(instance) == []


def test_a_full_disk_is_called_one(used: Path) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    said = str(history_damage.explained(used, error))
    assert "free; make room there (`blut cache prune` gives back" in said


@pytest.mark.sqlite
def test_results_that_the_history_does_not_know_are_not_garbage(used: Path) -> None:
    with open_instance() as instance:
        kept = {item.digest for item in store_of(instance).list()}
        collect_garbage(instance, dry_run=True)
    shutil.rmtree(used / "history")
    with open_instance() as instance:
        with pytest.raises(ValueError, match=r"holds 2 artifacts, and the history .* has 0 of them"):
            collect_garbage(instance)
        assert {item.digest for item in store_of(instance).list()} == kept
        collect_garbage(instance, unknown=True)


def test_a_home_on_another_machine_is_not_taken_for_deleted(used: Path) -> None:
    with open_instance() as instance:
        store = store_of(instance)
        note = store.root / "homes" / "0123456789abcdef"
        note.write_text(f"{home_of(instance)}\nboxb/0123\n")
        with pytest.raises(ValueError, match=r"also serves .* on boxb \(if that is no more, remove "):
            collect_garbage(instance)
        note.write_text("/gone/long/ago")
        with pytest.raises(ValueError, match="perhaps on another machine"):
            collect_garbage(instance)
        note.unlink()
        collect_garbage(instance)


WRITES = """
from pathlib import Path
from blut_resources.instance.damage import told
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance
from tests.blut_assets.history.test_retention import run
with told(find_home()), open_instance() as instance:
    run(instance, "b")
"""


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("code", "told", "status"),
    [
        (errno.EDQUOT, "Disk quota exceeded: the quota of this user on the file system at ", 0),
        (errno.EIO, "Input/output error; the disk below it failed", 1),
    ],
)
def test_a_disk_that_takes_nothing_is_no_damage(
    used: Path, code: int, told: str, status: int, tmp_path: Path
) -> None:
    """SQLite calls both an I/O error, for which no history is to be thrown away; over quota it is read."""
    variables = os.environ | refusing(tmp_path / "refusing", used, code)
    read = subprocess.run([*BLUT, "jobs"], env=variables, capture_output=True, text=True)
    assert read.returncode == status and ("success" if status == 0 else told) in read.stdout + read.stderr
    command = [sys.executable, "-c", WRITES]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True)
    assert done.returncode == 1 and told in done.stderr and "restore" not in done.stderr, done.stderr
    with open_instance(write=False) as instance:
        assert len(instance.get_runs()) == 1
