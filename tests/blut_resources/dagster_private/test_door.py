"""What each function of the door does, on the Dagster that is installed."""

import datetime as dt
import json
import logging
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from blut_resources.dagster_private import names
from blut_resources.dagster_private.compute_logs import redirected
from blut_resources.dagster_private.console import console_goes_to, said_in
from blut_resources.dagster_private.events import (
    failed_check_records,
    free_slots,
    note_end,
    skipped_step,
    was_terminated,
)
from blut_resources.dagster_private.origin import show_under_its_job
from blut_resources.dagster_private.ticks import count_of
from blut_resources.instance.instance import open_instance

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


@dg.asset
def number() -> int:
    return 1


@dg.asset_check(asset=number, blocking=True)
def is_two() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="it is one")


@dg.asset
def below(number: int) -> int:
    return number


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_run_reports_to_one_handler_and_its_failure_is_told_by_its_events(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = Heard()
    with open_instance() as instance:
        with console_goes_to(heard):
            done = dg.materialize([number, is_two, below], instance=instance, raise_on_error=False)
        assert "STEP_FAILURE" not in capfd.readouterr().err
        said = [said_in(record) for record in heard.records]
        lines = [str(meta["orig_message"]) for meta in said]
        assert [step for line in lines if (step := skipped_step(line))] == ["below"]
        assert any(meta.get("dagster_event") for meta in said)
        (failure,) = [event for event in done.all_events if event.is_step_failure]
        error = failure.step_failure_data.error
        assert error is not None and error.cls_name == names.CHECK_FAILED
        records = failed_check_records(instance, dg.AssetCheckKey(number.key, "is_two"), 5)
        assert [record.run_id for record in records] == [done.run_id]
        dg.materialize([number, is_two], instance=instance, raise_on_error=False)
        assert "STEP_FAILURE" in capfd.readouterr().err, "afterwards it is logged as ever"


def test_an_event_is_stored_in_the_words_of_dagster_without_its_spaces(home: Path) -> None:
    parted = dg.StaticPartitionsDefinition(["a b"])

    @dg.asset(partitions_def=parted)
    def spaced() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"note": "two  spaces, and: a colon"}, tags={"one": "1"})

    with open_instance() as instance:
        done = dg.materialize([spaced], instance=instance, partition_key="a b")
        storage = instance.event_log_storage
        for entry in instance.all_logs(done.run_id):
            ours, theirs = storage._event_to_row(entry), SqlEventLogStorage._event_to_row(storage, entry)  # type: ignore[attr-defined, arg-type]
            assert len(ours["event"]) < len(theirs["event"])
            assert json.loads(ours.pop("event")) == json.loads(theirs.pop("event"))
            assert ours == theirs


@pytest.mark.sqlite
def test_what_a_database_lacked_is_seen_once_a_migration_has_made_it(home: Path) -> None:
    with open_instance() as instance:
        storage = instance.event_log_storage
        assert not storage.has_secondary_index("of a later version")
        storage.enable_secondary_index("of a later version")  # type: ignore[attr-defined]
        assert storage.has_secondary_index("of a later version")
        assert storage.has_table("asset_event_tags") and not storage.has_table("nothing")  # type: ignore[attr-defined]
        assert storage.has_asset_key_col("asset_key") and not storage.has_asset_key_col("x")  # type: ignore[attr-defined]


def test_a_run_whose_process_was_told_to_end_is_known(home: Path) -> None:
    @dg.op
    def interrupted() -> None:
        raise dg.DagsterExecutionInterruptedError

    @dg.op
    def broken() -> None:
        raise ValueError

    with open_instance() as instance:
        for op, ended in ((interrupted, True), (broken, False)):
            job = dg.GraphDefinition("one", node_defs=[op]).to_job()
            run_id = job.execute_in_process(instance=instance, raise_on_error=False).run_id
            logs = instance.all_logs(run_id, of_type={dg.DagsterEventType.RUN_FAILURE})
            assert [was_terminated(entry.dagster_event) for entry in logs] == [ended], op.name


def test_a_dead_run_is_shown_as_failed_and_frees_its_slots(home: Path) -> None:
    with open_instance() as instance:
        instance.event_log_storage.set_concurrency_slots("gpu", 1)
        run = instance.create_run_for_job(
            dg.GraphDefinition("one").to_job(), status=dg.DagsterRunStatus.STARTED
        )
        instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "step")
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 1
        note_end(instance, run, "its process died")
        free_slots(instance, run.run_id)
        again = instance.get_run_by_id(run.run_id)
        assert again is not None and again.status is dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0


def test_a_run_of_a_terminal_has_the_origin_of_the_location_that_it_names(home: Path) -> None:
    job = dg.GraphDefinition("one").to_job()
    label = f"{names.REPOSITORY}@blut"
    with open_instance() as instance:
        named = instance.create_run_for_job(job, tags={names.REPOSITORY_LABEL_TAG: label})
        other = instance.create_run_for_job(job)
        for run in (named, other):
            show_under_its_job(instance, run)
        found = instance.get_run_by_id(named.run_id)
        origin = found and found.remote_job_origin
        assert origin is not None and origin.job_name == "one"
        assert origin.repository_origin.get_label() == label
        assert found and found.tags == named.tags
        assert instance.get_run_by_id(other.run_id) == other


def test_output_goes_to_a_file_and_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled(), redirected(sys.__stdout__ or sys.stdout, tmp_path / "out"):
        print("within", file=sys.__stdout__, flush=True)
    assert (tmp_path / "out").read_text() == "within\n"


def test_ticks_are_counted_where_they_can_be(home: Path) -> None:
    """What is deleted by age is counted by the same rule; tests of housekeeping count more."""
    with open_instance() as instance, dg.DagsterInstance.ephemeral() as other:
        assert list(instance.all_instigator_state()) == []
        state = _state()
        assert count_of(instance, state, NOW.timestamp()) == 0
        assert count_of(other, state, NOW.timestamp()) == 0


def _state() -> object:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import (
        InProcessCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(), location_name="blut")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, names.REPOSITORY), "reaper")
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
