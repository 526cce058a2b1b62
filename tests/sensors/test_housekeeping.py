"""Old runs go as the policy of the instance says, with all that is theirs; what leans on a run keeps it."""

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import TickData, TickStatus
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.definitions import defs
from blut_assets.history.retention import collect_garbage
from blut_assets.stages import reuse
from blut_assets.stages.handles import HANDLES
from blut_assets.sweeps.record import SWEEP_TAG, NewTrial, SweepRecord
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.instance.room import give_back
from blut_resources.machine.liveness import Mark, this_process
from blut_resources.registry.models import ModelRegistry
from blut_resources.runs import removed
from blut_resources.runs.removal import files_of
from blut_resources.store import results
from sensors.housekeeping.choice import choose, measured
from sensors.housekeeping.policy import HousekeepingError, checked, policy_path, read_policy
from sensors.housekeeping.removal import remove_runs
from sensors.housekeeping.ticks import count_ticks
from sensors.policy.history import POLICY_TAG
from tests.blut_assets.history.test_retention import first, second
from tests.conftest import REPOSITORY
from tests.sensors.kept import keep

NEWEST = checked({"keep_newest": 1})
LATER = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


@dg.op
def work() -> None:
    """Nothing of Blut."""


@dg.job
def theirs() -> None:
    """A job of another project."""
    work()


class House:
    """An instance in which things are made, run by run."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance

    def run(self, word: str, *, require: bool = False, tags: dict[str, str] | None = None) -> str:
        """A run that makes two artifacts of a word; its id."""
        how = {"reuse": "require" if require else "auto"}
        config = {"notes__first": {"config": {"word": word, **how}}, "notes__second": {"config": how}}
        result = dg.materialize(
            [first, second],
            instance=self.instance,
            resources={"blut_handles": HANDLES},
            run_config={"ops": config},
            tags=tags,
        )
        assert result.success
        return result.run_id

    def foreign(self) -> str:
        """A run of a job that has nothing of Blut."""
        return theirs.execute_in_process(instance=self.instance).run_id

    def ids(self) -> list[str]:
        return [run.run_id for run in self.instance.get_runs()]

    def weight(self) -> tuple[int, int]:
        """Files and bytes of all runs; the databases that they share are no measure while they are open."""
        shared = ("index.db", "runs.db")
        databases = [p for p in (self.home / "history").rglob("*.db*") if not p.name.startswith(shared)]
        return measured([self.home / "runs", self.home / "storage", *databases])

    def digest(self, run_id: str, asset: str) -> str:
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        for record in self.instance.get_records_for_run(run_id, of_type=kind).records:
            event = record.event_log_entry.asset_materialization
            if event and event.asset_key.path[-1] == asset:
                return reuse.digest_of(event)
        raise AssertionError(f"{run_id} made no {asset}")

    def why(self, policy: Any = NEWEST) -> dict[str, str]:
        return dict(choose(self.instance, policy, LATER).kept)

    def blut(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["runs", "prune", *words], prog_name="blut")

    def tick(self) -> str:
        sensor = defs.get_repository_def().get_sensor_def("blut_housekeeping")
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
        return sensor.evaluate_tick(dg.build_sensor_context(self.instance)).skip_message or ""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with open_instance() as instance:
        yield House(home, instance)


def test_old_runs_go_with_all_that_is_theirs_and_what_they_made_is_reused(house: House) -> None:
    old = [house.run(word) for word in ("a", "b", "c", "d", "e", "f")]
    newest, theirs = house.run("g"), house.foreign()
    before = house.weight()

    said = house.blut("--keep-newest", "1")
    assert said.exit_code == 0 and "would remove 6 of 8 runs" in said.stdout
    assert "1 stay: not Blut's" in said.stdout and "--yes removes it" in said.stdout
    assert house.weight() == before
    assert len(house.ids()) == 8

    listed = json.loads(house.blut("--keep-newest", "1", "--json").stdout)
    assert [one["run_id"] for one in listed["runs"]] == old, "the oldest first"
    own = [measured(files_of(house.home, run_id)) for run_id in old]
    assert [(one["n_files"], one["n_bytes"]) for one in listed["runs"]] == own
    done = house.blut("--keep-newest", "1", "--yes")
    assert done.exit_code == 0 and "removed 6 of 8 runs" in done.stdout, done.output
    assert sorted(house.ids()) == sorted([newest, theirs])
    assert not [path for run_id in old for path in files_of(house.home, run_id) if path.exists()]
    after = house.weight()
    assert before[0] - after[0] == sum(files for files, _ in own)
    assert before[1] - after[1] == sum(size for _, size in own)
    assert removed.removed(house.home) == {*old} and not removed.unfinished(house.home)

    for word in ("a", "f"):
        house.run(word, require=True)
    assert collect_garbage(house.instance, newest=9).removed == (), "the store knows whose results these are"


def swept(house: House, sweep: str, words: str, *, cancelled: int = 0) -> tuple[SweepRecord, list[str]]:
    """A sweep over words, of which the first is the best, with runs; and its runs."""
    record = SweepRecord(house.home, sweep)
    record.write_head({"kind": "sweep", "metric": {"fact": "place", "best": "lowest"}})
    record.add([NewTrial({"word": word}) for word in words], closed=True)
    runs = [house.run(word, tags={SWEEP_TAG: record.id}) for word in words]
    for number, run_id in enumerate(runs, 1):
        facts = {"digest": house.digest(run_id, "second"), "place": number}
        ended = "cancelled" if number > len(words) - cancelled else "succeeded"
        record.end(number, ended, run=run_id, facts=facts)
    return record, runs


def test_a_sweep_counts_as_one_run_and_its_record_goes_with_the_last_of_its_runs(house: House) -> None:
    record, runs = swept(house, "3fa2" * 4, "abc")
    single = house.run("d")
    assert json.loads(house.blut("--keep-newest", "2", "--json").stdout)["runs"] == []
    mark = record.lead_here()
    assert {house.why().get(run_id) for run_id in runs} == {"its sweep goes on, or may"}
    assert not record.remove() and record.place.exists()
    mark.remove()
    (house.home / "sweeps" / ".gone-1").mkdir()
    said = house.blut("--keep-newest", "1").stdout
    assert "would remove 3 of 4 runs" in said and "1 sweep whose runs have gone: 3fa23fa2" in said
    recent = house.blut("--keep-newest", "1", "--keep-days", "1", "--json").stdout
    assert json.loads(recent)["sweeps"] == [] and record.place.exists()
    done = json.loads(house.blut("--keep-newest", "1", "--yes", "--json").stdout)
    assert done["sweeps"] == [record.id] and [one["run_id"] for one in done["runs"]] == runs
    assert [*(house.home / "sweeps").iterdir()] == [] and house.ids() == [single]


def test_what_a_sweep_needs_stays_in_the_store_as_long_as_the_sweep_does(house: House) -> None:
    _, ended = swept(house, "1" * 16, "abc")
    _, early = swept(house, "2" * 16, "de", cancelled=1)
    house.run("f")
    words = ["cache", "prune", "--newest", "1", "--even-recent", "--dry-run", "--json"]

    def goes() -> set[str]:
        return {*json.loads(CliRunner().invoke(app, words, prog_name="blut").stdout)["removed"]}

    made = {run_id: {house.digest(run_id, name) for name in ("first", "second")} for run_id in ended + early}
    others = ended[1:]
    assert goes() == set[str]().union(*(made[run_id] for run_id in others)), "of a sweep that ended the best"
    shutil.rmtree(house.home / "sweeps")
    assert goes() == set[str]().union(*made.values())


def test_without_a_note_of_a_result_one_is_written_before_its_run_goes(house: House) -> None:
    """As in a home of an older version."""
    house.run("a")
    house.run("b")
    for path in (store_of(house.instance).root / results.RESULTS).rglob("*.json"):
        path.unlink()
    assert "removed 1 of 2 runs" in house.blut("--keep-newest", "1", "--yes").stdout
    house.run("a", require=True)


def test_what_something_leans_on_stays(house: House) -> None:
    judged, policed, reused = house.run("a"), house.run("b", tags={POLICY_TAG: "nightly"}), house.run("c")
    plain = house.run("d")
    registry = ModelRegistry(store_of(house.instance).root / "registry")
    made = [house.digest(judged, name) for name in ("first", "second")]
    named = house.run("e")
    registry.register(
        "codec",
        candidate=made[1],
        inputs={"first": made[0]},
        verdict=made[0],
        passed=True,
        floors=[],
        figures={},
        license="",
        run=named,
    )
    unknown, begun = house.run("f"), house.run("g")
    elsewhere = this_process()._replace(boot="another", machine="another/0")
    (house.home / "alive" / unknown).write_text(f"{elsewhere.line()}\n")
    child = house.instance.create_run_for_job(
        theirs,
        status=dg.DagsterRunStatus.STARTED,
        parent_run_id=begun,
        root_run_id=begun,
    )
    newest = house.run("c")
    assert house.why() == {
        judged: "the registry refers to it",
        named: "the registry refers to it",
        policed: "a policy for retraining decides by it",
        unknown: "a process may still work for it",
        child.run_id: "has not ended",
        begun: "a run that goes on continues it",
        newest: "holds the newest of an asset",
        reused: "a run that stays reused its result",
    }
    done = house.blut("--keep-newest", "1", "--yes")
    assert "removed 1 of 9 runs" in done.stdout and plain not in house.ids()
    registry.retire("codec@1")
    assert {judged, named} & house.why().keys() == set()


def test_a_run_that_somebody_begins_to_hold_meanwhile_is_spared(house: House) -> None:
    old, _ = house.run("a"), house.run("b")
    choice = choose(house.instance, NEWEST, LATER)
    mark = Mark(house.home / "alive" / old)
    assert list(remove_runs(house.instance, choice.removable)) == [] and old in house.ids()
    mark.remove()
    assert [one.run_id for one in remove_runs(house.instance, choice.removable)] == [old]


def test_a_run_goes_when_it_is_beyond_every_bound(house: House) -> None:
    old, older_job = house.run("a"), house.run("b", tags={"dagster/job": "x"})
    house.run("c")
    days = checked({"keep_days": 30})
    now = dt.datetime.now(dt.UTC)
    assert not choose(house.instance, days, now + dt.timedelta(days=29)).removable
    gone = choose(house.instance, days, now + dt.timedelta(days=31)).removable
    assert {one.run_id for one in gone} == {old, older_job}
    both = checked({"keep_days": 30, "keep_newest": 2})
    assert [one.run_id for one in choose(house.instance, both, LATER).removable] == [old]
    assert not choose(house.instance, checked({"tick_days": 1}), LATER).removable


def test_what_many_rows_have_left_free_is_given_back_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 1000,)] * 4000)
        connection.execute("DELETE FROM t WHERE id <= 300")
        assert give_back(path) == 0, "too little to write all of it anew"
        connection.execute("DELETE FROM t WHERE id <= 3000")
        full = path.stat().st_size
        assert give_back(path) == full - path.stat().st_size > full / 2
        assert connection.execute("SELECT min(id), count(*) FROM t").fetchone() == (3001, 1000)


def test_in_an_instance_of_somebody_elses_their_runs_stay(tmp_path: Path) -> None:
    """Its storage is Dagster's own, which knows nothing of what Blut leaves."""
    with dg.DagsterInstance.from_config(_stock(tmp_path)) as instance:
        house = House(tmp_path, instance)
        old, foreign, newest = house.run("a"), house.foreign(), house.run("b")
        assert any(path.exists() for path in files_of(tmp_path, old))
        choice = choose(instance, NEWEST, LATER)
        assert choice.kept.keys() == {foreign, newest} and choice.kept[foreign] == "not Blut's"
        assert [one.run_id for one in remove_runs(instance, choice.removable)] == [old]
        assert not [path for path in files_of(tmp_path, old) if path.exists()]
        house.run("a", require=True)


def _stock(directory: Path) -> str:
    (directory / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return str(directory)


KILLED = """
import os, signal, sys
from dagster import DagsterInstance
at = {"begun": ("run_storage", "delete_run"), "half": ("event_log_storage", "delete_events")}
where, name = at[sys.argv.pop(1)]
delete = DagsterInstance.delete_run
def delete_run(instance, run_id):
    setattr(getattr(instance, where), name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    delete(instance, run_id)
DagsterInstance.delete_run = delete_run
from blut_assets.cli import main
main()
"""


@pytest.mark.parametrize("when", ["begun", "half"])
def test_a_removal_that_was_killed_is_finished_by_the_next_one(house: House, when: str) -> None:
    old, _ = house.run("a"), house.run("b")
    command = [sys.executable, "-c", KILLED, when, "runs", "prune", "--keep-newest", "1", "--yes"]
    killed = subprocess.run(command, cwd=REPOSITORY, env={**os.environ}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert removed.unfinished(house.home) == [old]
    done = house.blut("--keep-newest", "1", "--yes")
    assert done.exit_code == 0, done.output
    assert old not in house.ids() and not [p for p in files_of(house.home, old) if p.exists()]
    assert not removed.unfinished(house.home)
    key = dg.AssetKey(["notes", "first"])
    assert old not in {r.run_id for r in reuse.materializations(house.instance, key)}
    house.run("a", require=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "keep_days = '90'",
            "keep_days = '90': Input should be a valid integer; give a whole number of days",
        ),
        ("keep_newest = 0", "keep_newest = 0: Input should be greater than or equal to 1; give a whole"),
        ("keep = 3", ".toml:1: keep = 3: there is no such field (did you mean 'keep_days'?); there are"),
        ("keep_newest = [1", "cannot be read as TOML"),
    ],
)
def test_a_broken_policy_is_explained_and_removes_nothing(house: House, text: str, said: str) -> None:
    house.run("a")
    house.run("b")
    policy_path(house.home).write_text(text)
    with pytest.raises(HousekeepingError) as told:
        read_policy(house.home)
    assert str(told.value).startswith(str(policy_path(house.home))) and said in str(told.value)
    refused = house.blut("--yes")
    assert refused.exit_code == 2 and said in refused.stderr
    assert said in house.tick()
    assert len(house.ids()) == 2


def test_the_sensor_removes_what_the_policy_says_and_tells_it_in_its_tick(house: House) -> None:
    old, newest = house.run("a"), house.run("b")
    assert house.tick() == f"off: nothing is declared in {policy_path(house.home)}"
    assert house.blut("--yes").exit_code == 2, "nothing is declared, and nothing asked for"
    policy_path(house.home).write_text("keep_newest = 1\ntick_days = 7\n")
    told = house.tick()
    assert told.startswith("removed 1 runs and 0 ticks, ") and f"{old} __ephemeral_asset_job__" in told
    assert house.ids() == [newest] and "1 holds the newest of an asset" in told
    assert house.tick().startswith("removed 0 runs and 0 ticks")


def test_old_ticks_of_bluts_sensors_go_and_nobody_elses(house: House) -> None:
    """Also those that they had under an older name, which somebody else's sensor may have by now."""
    _ticks(house.instance, "blut", ["blut_reaper", "blut_alerts", "theirs", "alerts"])
    _ticks(house.instance, "other", ["reaper"])
    _ticks(house.instance, "blut", ["reaper"])
    (old,) = [one for one in _states(house.instance, "blut") if one.instigator_name == "reaper"]
    house.instance.delete_instigator_state(old.instigator_origin_id, old.selector_id)
    before = dt.datetime.now(dt.UTC).timestamp() - 86400
    assert count_ticks(house.instance, before) == 3
    done = house.blut("--tick-days", "1", "--yes")
    assert "removed 0 of 0 runs and 3 ticks" in done.stdout, done.output
    left = {
        (state.origin.location_name, state.instigator_name, len(ticks))
        for state in [*_states(house.instance, "blut"), *_states(house.instance, "other"), old]
        if (ticks := house.instance.get_ticks(state.instigator_origin_id, state.selector_id))
    }
    assert left == {
        *(("blut", "blut_reaper", 1), ("blut", "blut_alerts", 1), ("blut", "reaper", 1)),
        *(("blut", "theirs", 2), ("blut", "alerts", 2), ("other", "reaper", 2)),
    }


def _states(instance: dg.DagsterInstance, location: str) -> list[Any]:
    return [one for one in instance.all_instigator_state() if one.origin.location_name == location]


def _ticks(instance: dg.DagsterInstance, location: str, names: list[str]) -> None:
    """An old and a new tick of each sensor."""
    now = dt.datetime.now(dt.UTC).timestamp()
    for name in names:
        state = keep(instance, name, location)
        for at in (now - 10 * 86400, now):
            tick = TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=state.instigator_type,
                status=TickStatus.SKIPPED,
                timestamp=at,
                selector_id=state.selector_id,
            )
            instance.create_tick(tick)
