"""The record of a sweep: read while it grows, by several processes, after any of them was killed."""

import os
from pathlib import Path

import pytest

from blut_assets.sweeps.record import (
    LedElsewhere,
    NewTrial,
    NoSuchSweep,
    SweepRecord,
    records,
    sweep_named,
)
from blut_resources.boxes import probe
from blut_resources.files.durable import StoreError


@pytest.fixture
def record(tmp_path: Path) -> SweepRecord:
    found = SweepRecord(tmp_path, "0123456789abcdef")
    found.write_head({"kind": "sweep", "recipe": "r", "values": {}, "axes": [], "cwd": "/", "at": 0.0})
    return found


def again(record: SweepRecord) -> SweepRecord:
    """The same, read by somebody else."""
    return SweepRecord(record.home, record.id)


def test_processes_that_take_trials_at_once_take_each_once(record: SweepRecord) -> None:
    record.add([NewTrial({"n": n}) for n in range(60)], closed=True)
    pids = []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            mine = again(record)
            while trial := mine.take(f"run-{os.getpid()}"):
                mine.end(trial.number, "succeeded", facts={"by": os.getpid()})
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    trials = again(record).trials()
    assert len(trials) == 60 and all(one.outcome == "succeeded" for one in trials.values())
    text = (record.place / "trials.jsonl").read_text()
    assert text.count('"taken"') == 60
    assert all(one.facts["by"] == one.worker for one in trials.values())


def test_what_a_killed_writer_left_of_a_line_is_cut_off_and_hides_nothing(record: SweepRecord) -> None:
    record.add([NewTrial({"n": 1}), NewTrial({"n": 2})], closed=True)
    reader = again(record)
    assert len(reader.trials()) == 2
    with (record.place / "trials.jsonl").open("a") as file:
        file.write('{"t": 1, "what": "ended", "tri')
    assert reader.trials()[1].state == "waiting"
    record.end(1, "failed", "why")
    assert reader.trials()[1].why == "why" and reader.trials()[1].failed
    assert again(record).trials() == reader.trials()


def test_trials_may_be_added_while_workers_run_and_none_is_taken_after_a_stop(record: SweepRecord) -> None:
    record.add([NewTrial({"n": 1})], closed=False)
    worker = again(record)
    first = worker.take("a")
    assert first and worker.take("b") is None and not worker.closed
    record.add([NewTrial({"n": 2})], closed=True)
    record.end(first.number, "failed", stops="the first failed")
    assert worker.take("b") is None and worker.stopped == "the first failed" and worker.closed
    record.say({"what": "session"}, {"what": "again", "trials": [1]})
    assert [one.number for one in (worker.take("c"), worker.take("d")) if one] == [1, 2]


def test_one_process_leads_and_it_is_seen_from_others(record: SweepRecord) -> None:
    mark = record.lead_here()
    other = again(record)
    with pytest.raises(LedElsewhere, match=str(os.getpid())):
        other.lead_here()
    assert other.leads() == "yes"
    mark.remove()
    assert other.leads() == "no"


def test_none_is_led_where_locks_keep_no_other_machine_out(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_sound", set())
    monkeypatch.setattr(probe, "loose", lambda _directory: "it is mounted so")
    with pytest.raises(StoreError, match="it is mounted so"):
        record.lead_here()
    assert record.leads() == "no"


def test_a_disk_that_takes_a_part_of_a_line_gets_the_rest(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:7]))
    record.add([NewTrial({"n": 1}), NewTrial({"n": 2})], closed=True)
    assert len(again(record).trials()) == 2


def test_a_sweep_is_found_by_the_beginning_of_its_id(record: SweepRecord) -> None:
    other = SweepRecord(record.home, "01ff")
    other.write_head({})
    assert {one.id for one in records(record.home)} == {record.id, "01ff"}
    assert sweep_named(record.home, "012").id == record.id
    for prefix, told in (("01", "2 sweeps"), ("9", "no sweep"), ("", "no sweep")):
        with pytest.raises(NoSuchSweep, match=told):
            sweep_named(record.home, prefix)
