"""What a sweep does when two begin at once, another machine leads it, or something unforeseen comes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.cli.sweep import command, worker
from blut_assets.cli.sweep.ahead import Ahead
from blut_assets.cli.sweep.apart import apart
from blut_assets.cli.sweep.cancelling import cancel
from blut_assets.cli.sweep.leading import Leader, SweepTold
from blut_assets.cli.sweep.order import ordered, ordered_before
from blut_assets.sweeps.axes import Axis
from blut_assets.sweeps.grid import Grid
from blut_assets.sweeps.record import NewTrial, SweepRecord
from blut_resources.files.durable import StoreError
from blut_resources.instance.instance import open_instance
from blut_resources.machine import liveness
from tests import swept


@pytest.fixture
def record(home: Path) -> SweepRecord:
    found = SweepRecord(home, ordered(swept.recipe, {}, grid()).id)
    found.write_head({"kind": "sweep", "recipe": "swept", "values": {}, "axes": [], "cwd": "/", "at": 0.0})
    found.add([NewTrial({"seed": 1})], closed=True)
    return found


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any sweep."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def grid() -> Grid:
    return Grid((Axis("seed", (1, 2)),))


def test_of_two_commands_that_begin_at_once_one_writes(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    record.take("a-run")
    said = (record.place / "trials.jsonl").read_text()
    mark = SweepRecord(record.home, record.id).lead_here()
    monkeypatch.setattr(command, "discovered", SimpleNamespace(cookbooks=[swept.cookbook()]))
    monkeypatch.setattr(command, "wait_for_others", lambda _record: None)  # it looked before the other led
    monkeypatch.setattr(command, "end_on_sigterm", lambda: None)
    monkeypatch.setattr(command, "apart", lambda _work: Ahead())
    with pytest.raises(SystemExit) as ended:
        command.run_sweep(ordered(swept.recipe, {}, grid()))
    assert ended.value.code == 1 and "is at work already" in capfd.readouterr().err
    assert (record.place / "trials.jsonl").read_text() == said and record.head()["axes"] == []
    mark.remove()


def test_a_process_that_has_by_chance_the_number_of_a_worker_elsewhere_is_not_signalled(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch, other: subprocess.Popen[bytes]
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: other.pid)
    record.take("a-run")
    monkeypatch.undo()
    far = liveness.Holder(1, 2, "another-boot", "pid:[1]", "far/away")
    (record.place / ".running").write_text(f"{far.line()}\n")
    with pytest.raises(SystemExit):
        cancel(record, None)
    assert other.poll() is None and not record.stopped


def test_a_process_of_another_user_is_named_and_the_own_ones_are_ended(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = (record.place / ".running").open("a")
    dead = liveness.this_process()._replace(pid=2**22, start=1)
    (record.place / ".running").write_text(f"{dead.line()}\n")
    record.add([NewTrial({"seed": 2})], closed=True)
    theirs, own, stranger = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=passed)
        for passed in ((mark.fileno(),), (mark.fileno(),), ())
    )
    for process in (theirs, own, stranger):
        record.say({"what": "added", "trial": process.pid, "overrides": {}})
        record.say({"what": "taken", "trial": process.pid, "run": "a-run", "worker": process.pid})
    kill = os.kill

    def killed(pid: int, number: int) -> None:
        if pid == theirs.pid:
            raise PermissionError
        kill(pid, number)

    monkeypatch.setattr(os, "kill", killed)
    monkeypatch.setattr(SweepRecord, "leads", lambda _: "yes")
    try:
        with pytest.raises(SystemExit):
            cancel(record, None)
        assert own.wait() != 0 and stranger.poll() is None and _stopped(record) == "cancelled"
        said = capfd.readouterr().err
        assert f"process {theirs.pid} is root's" in said and "the other trials have ended" in said
        record.say({"what": "session"})
        with pytest.raises(SystemExit):
            cancel(record, None)
        assert "nothing is done" in capfd.readouterr().err and not _stopped(record)
    finally:
        monkeypatch.undo()
        for process in (theirs, own, stranger):
            process.kill()
            process.wait()


def test_what_adds_trials_is_not_started_again_for_ever(record: SweepRecord) -> None:
    search = SweepRecord(record.home, "search")
    search.write_head({"kind": "hpo"})
    begun = search.place / "begun"

    def waits() -> None:
        while not SweepRecord(record.home, "search").trials() and not _stopped(search):
            time.sleep(0.01)

    def dies() -> None:
        with begun.open("a") as file:
            file.write("x")
        if len(begun.read_text()) == 2:
            search.add([NewTrial({"seed": 1})], closed=False)
        os.kill(os.getpid(), signal.SIGKILL)

    def lead() -> str:
        leader = Leader(search, search.lead_here(), waits, len, 1, SweepTold(), bool, beside=dies)
        leader.lead([])
        return search.stopped

    told = apart(lead)
    assert "what chooses the trials died 3 times" in told and "was killed by SIGKILL" in told
    assert len(begun.read_text()) == 1 + 3, "once nothing, then one trial, and after that nothing three times"


def _stopped(record: SweepRecord) -> str:
    record.trials()
    return record.stopped


def test_what_is_wrong_in_the_other_process_is_told_by_this_one() -> None:
    def refuse() -> None:
        raise StoreError("/nowhere: no room")

    with pytest.raises(StoreError, match="no room"):
        apart(refuse)
    assert apart(lambda: 7) == 7


def test_an_unforeseen_error_is_no_interrupt(record: SweepRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("of no kind that is known")

    for name, put in (("_speak_into", lambda _path: None), ("home_of", lambda _: record.home)):
        monkeypatch.setattr(worker, name, put)
    monkeypatch.setattr(worker, "_outcome", broken)
    trial = record.take("a-run")
    assert trial
    what = worker.TrialWork(swept.recipe, lambda _: swept.Args(), {})
    worker._run(None, record, what, trial)  # type: ignore[arg-type]
    ended = record.trials()[1]
    assert (ended.outcome, ended.why) == ("failed", "RuntimeError: of no kind that is known")


def test_a_sweep_that_goes_on_keeps_its_trials_and_its_directory(record: SweepRecord) -> None:
    head = {**record.head(), "cwd": "/tmp"}
    record.add([NewTrial({"seed": 2}, None, "of-other-defaults")], closed=True)
    order = ordered_before(swept.recipe, head, [record.trials()[2]])
    assert order.cwd == "/tmp" and [one.key for one in order.trials] == ["of-other-defaults"]


def test_what_may_be_a_run_too_is_not_cancelled_as_a_sweep(record: SweepRecord) -> None:
    found = CliRunner().invoke(app, ["cancel", record.id[:4]], prog_name="blut")
    assert found.exit_code == 0 and "has ended already" in found.output
    with open_instance() as instance:
        instance.add_run(dg.DagsterRun("swept", f"{record.id[:4]}0000-1111-4222-8333-444444444444"))
    found = CliRunner().invoke(app, ["cancel", record.id[:4]], prog_name="blut")
    assert found.exit_code == 2 and "and a run" in found.stderr
    found = CliRunner().invoke(app, ["cancel", record.id[:8]], prog_name="blut")
    assert found.exit_code == 0 and "has ended already" in found.output


def test_a_record_is_not_made_again_because_too_little_of_an_id_was_given(
    record: SweepRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    SweepRecord(record.home, f"{record.id[:4]}ff").write_head({})
    made: list[str] = []
    monkeypatch.setattr("blut_assets.cli.commands.sweep._made_again", made.append)
    found = CliRunner().invoke(app, ["sweep", "show", record.id[:4]], prog_name="blut")
    assert found.exit_code == 2 and "2 sweeps have an id" in found.stderr and not made
