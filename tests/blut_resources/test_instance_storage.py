"""What is kept of a run: little where nothing was computed, and all that Dagster's own storage can read."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance
from tests.blut_assets.history.test_retention import first, second
from tests.weight import weight

RUNS = 4


def run(instance: dg.DagsterInstance, assets: list[Any] | None = None) -> str:
    result = dg.materialize(assets or [first, second], instance=instance, resources={"blut_handles": HANDLES})
    assert result.success
    return result.run_id


@dg.asset
def plain() -> int:
    """Nothing of Blut; its value goes through an I/O manager of Dagster's."""
    return 1


@dg.asset
def more(plain: int) -> int:
    """What was made of it."""
    return plain + 1


def kinds(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    return {e.dagster_event_type.value for e in instance.all_logs(run_id) if e.dagster_event_type}


def test_a_run_that_computes_nothing_adds_little_to_its_home(home: Path) -> None:
    with open_instance() as instance:
        for _ in range(2):
            run(instance)
    before = weight(home)
    with open_instance() as instance:
        for _ in range(RUNS):
            run(instance)
    assert (weight(home) - before) / RUNS < 64_000  # the path of the home is in every event


@pytest.mark.usefixtures("home")
def test_what_went_through_another_io_manager_is_told() -> None:
    with open_instance() as instance:
        told, ours = kinds(instance, run(instance, [plain, more])), kinds(instance, run(instance))
    assert {"HANDLED_OUTPUT", "LOADED_INPUT", "STEP_INPUT", "STEP_OUTPUT"} <= told
    assert told - ours == {"HANDLED_OUTPUT", "LOADED_INPUT"}


@pytest.mark.sqlite
def test_dagsters_own_storage_reads_migrates_and_deletes_what_was_kept(home: Path, tmp_path: Path) -> None:
    with open_instance() as instance:
        run_id = run(instance)
        said = [entry.user_message for entry in instance.all_logs(run_id)]
    stock = tmp_path / "stock"
    shutil.copytree(home, stock)
    (stock / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(stock)) as instance:
        assert [entry.user_message for entry in instance.all_logs(run_id)] == said
        instance.upgrade()
        assert len(instance.fetch_materializations(first.key, limit=9).records) == 1
        instance.delete_run(run_id)
        assert not instance.fetch_materializations(first.key, limit=9).records
    with open_instance() as instance:
        instance.upgrade()
        assert [entry.user_message for entry in instance.all_logs(run_id)] == said


def test_what_a_result_shows_is_stored_once_by_whatever_storage(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        for _ in range(2):
            run_id = run(instance)
            logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)
            assert [entry.dagster_event.step_output_data.metadata for entry in logs] == [{}, {}]  # type: ignore[union-attr]
    before = weight(home)
    with dg.DagsterInstance.get() as instance:
        run(instance)
    assert weight(home) - before < 200_000
