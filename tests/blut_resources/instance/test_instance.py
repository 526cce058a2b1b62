"""The instance persists, and is found."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.alive import reap_dead_runs
from blut_resources.dagster_private.storage import PooledRuns
from blut_resources.files.durable import StoreError
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.runs.compute_logs import MirroredLogs
from tests.conftest import REPOSITORY

COMMAND = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "tests.scripted", "--select", "*"]


@pytest.mark.slow
def test_a_temporary_instance_is_refused_with_the_remedy(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    environment |= {"SCRIPT": "{}", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(COMMAND, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "temporary and would forget the result" in done.stderr
    assert "export DAGSTER_HOME=" in done.stderr


@pytest.mark.slow
def test_the_checkout_is_its_own_instance_for_dagsters_commands(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".dagster").mkdir(parents=True)
    for name in (".env", ".dagster/dagster.yaml"):
        (checkout / name).write_text((REPOSITORY / name).read_text())
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    environment |= {"SCRIPT": json.dumps({"epochs": 1}), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(COMMAND, cwd=checkout, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert (checkout / ".dagster" / "history" / "runs.db").is_file()


def test_the_home_is_found_from_a_folder_below_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "checkout" / ".dagster").mkdir(parents=True)
    (tmp_path / "checkout" / ".dagster" / "dagster.yaml").touch()
    below = tmp_path / "checkout" / "a" / "b"
    below.mkdir(parents=True)
    assert find_home(below) == tmp_path / "checkout" / ".dagster"
    assert find_home(tmp_path) == tmp_path / "data" / "blut" / "dagster"


def contents(directory: Path) -> dict[str, str]:
    """Every file below a directory, by what is in it."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that somebody else's Dagster has made, with a run in it and no `dagster.yaml`."""
    directory = tmp_path / "stock"
    directory.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(directory))
    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([number], instance=instance).success
    return directory


@dg.asset
def number() -> int:
    return 1


def test_somebodys_home_is_used_as_it_is_and_his_own_dagster_goes_on(stock: Path) -> None:
    before = contents(stock)
    with open_instance(write=False) as instance:
        assert len(instance.get_runs()) == 1
        assert instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=5).records
        assert reap_dead_runs(instance) == []
    assert contents(stock) == before
    with open_instance() as instance:
        assert dg.materialize([number], instance=instance).success
    assert not (stock / "dagster.yaml").exists()
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 2
        assert type(instance.event_log_storage).__name__ == "SqliteEventLogStorage"


@pytest.mark.sqlite
def test_what_this_process_opens_faster_is_no_business_of_its_children(home: Path) -> None:
    with open_instance() as instance:
        assert isinstance(instance.run_storage, PooledRuns)
        assert isinstance(instance.compute_log_manager, MirroredLogs)
        given = instance.get_ref()
        named = [str(part) for part in given.to_dict().values()]
        assert not [part for part in named if "blut" in part.lower().replace(str(home).lower(), "")]
        with dg.DagsterInstance.from_ref(given) as other:
            assert other.root_directory == str(home)
            assert not isinstance(other.run_storage, PooledRuns)


@pytest.mark.parametrize("settings", [None, "", "telemetry: {enabled: false}\n"])
def test_who_reads_where_there_is_nothing_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: str | None
) -> None:
    empty = tmp_path / "empty"
    monkeypatch.setenv("DAGSTER_HOME", str(empty))
    if settings is not None:
        empty.mkdir()
        (empty / "dagster.yaml").write_text(settings)
    with open_instance(write=False) as instance:
        assert instance.get_runs() == [] and instance.get_asset_keys() == []
        assert instance.all_logs("1f0e6a50-0000-0000-0000-000000000000") == []
        assert list(instance.all_instigator_state()) == []
        assert store_of(instance).list() == []
    assert contents(tmp_path) == ({} if settings is None else contents(tmp_path))
    assert [path.name for path in tmp_path.rglob("*")] == (
        [] if settings is None else ["empty", "dagster.yaml"]
    )
    assert ("there is no Dagster instance" in capfd.readouterr().err) is (settings is None)


def test_a_home_is_made_once_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new"))
    for _ in range(2):
        with open_instance():
            pass
    assert capfd.readouterr().err.count("made a Dagster instance in") == 1
    assert "blut_resources" not in (tmp_path / "new" / "dagster.yaml").read_text()
    with dg.DagsterInstance.get() as instance:
        assert instance.run_monitoring_enabled and instance.get_runs() == []


def test_a_store_that_cannot_be_made_is_told_with_its_place_and_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", "/proc/no-store")
    with open_instance() as instance, pytest.raises(StoreError, match=r"/proc/no-store: .*; "):
        store_of(instance)


def test_a_setting_of_the_home_that_names_another_place_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {other}\n")
    with open_instance() as instance:
        assert dg.materialize([number], instance=instance).success
    assert (other / "history" / "runs.db").exists() and not (home / "history").exists()
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 1
