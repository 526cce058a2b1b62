"""Deleting runs deletes all of them and nothing else: what they made is still there, and is still found."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pydantic
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.history.planning import plan
from blut_assets.history.retention import collect_garbage
from blut_assets.stages import StageConfig, reuse, stage_asset
from blut_assets.stages.spec import spec_of
from blut_resources.alive import reap_dead_runs
from blut_resources.holding import _held, hold_in
from blut_resources.instance.instance import open_instance, store_of
from tests.conftest import REPOSITORY
from tests.databases import shipped
from tests.forked import RUN, server
from tests.scripted import RESOURCES

COUNTED: list[str] = []


class Line(Artifact):
    """A line of text."""

    kind = "test.line"


class LineConfig(StageConfig):
    """What it says, and whether it may be reused."""

    text: str = "a"
    reusable: bool = True


@stage_asset(cookbook="kept", group="lines")
def line(stage, config: LineConfig) -> Line:
    """A line."""
    COUNTED.append(config.text)
    stage.reusable = config.reusable
    stage.show(seen="once")
    (stage.out / "line").write_text(config.text)
    return Line()


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A persistent instance, and nothing computed yet."""
    COUNTED.clear()
    with open_instance() as instance:
        yield instance


def run(instance: dg.DagsterInstance, **config: Any) -> tuple[str, dg.AssetMaterialization]:
    """Materialize it: the run, and what it reported."""
    ops = {"ops": {"kept__line": {"config": config}}}
    result = dg.materialize([line], resources=RESOURCES, instance=instance, run_config=ops)
    (event,) = result.asset_materializations_for_node("kept__line")
    return result.run_id, event


def dagster(*words: str) -> None:
    """A command of Dagster's own, in a process of its own."""
    done = server(*RUN).run(["-m", "dagster", *words], os.environ, REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


def traces(home: Path, run_id: str) -> list[str]:
    """Files and directories of a run, wherever they are in the instance directory."""
    return [str(path) for path in home.rglob("*") if run_id in path.name]


WAYS: dict[str, Callable[[str], None]] = {
    "run delete": lambda run_id: dagster("run", "delete", run_id, "--force"),
    "run wipe": lambda run_id: dagster("run", "wipe", "--force"),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("way", WAYS)
def test_a_deleted_run_leaves_nothing_but_what_it_made(
    home: Path, instance: dg.DagsterInstance, way: str
) -> None:
    first, made = run(instance)
    assert len(traces(home, first)) >= 4, "directory, logs, database"
    WAYS[way](first)
    reap_dead_runs(instance)
    assert traces(home, first) == []

    (planned,) = plan(instance, [line], {})
    assert (planned.state, planned.reason) == ("reusable", f"made by run {first[:8]}")
    second, again = run(instance)
    assert COUNTED == ["a"], "not computed again"
    assert again.metadata[reuse.REUSED].value is True and again.metadata["seen"] == made.metadata["seen"]
    assert again.metadata[reuse.ORIGIN].value == first
    assert len(traces(home, second)) >= 4


@pytest.mark.sqlite
def test_a_history_that_was_begun_anew_costs_the_older_runs_no_file(
    home: Path, instance: dg.DagsterInstance
) -> None:
    first, _ = run(instance)
    shutil.move(home / "history", home / "before")
    with open_instance() as anew:
        second, _ = run(anew)
        reap_dead_runs(anew)
        assert (home / "runs" / first).is_dir() and (home / "runs" / second).is_dir()


def test_a_wiped_asset_is_reused(instance: dg.DagsterInstance) -> None:
    run(instance)
    instance.wipe_assets([line.key])
    assert plan(instance, [line], {})[0].state == "reusable"
    assert run(instance)[1].metadata[reuse.REUSED].value is True and COUNTED == ["a"]


def test_another_history_on_the_same_store_does_not_compute_again(
    instance: dg.DagsterInstance, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance)
    run(instance, text="b", reusable=False)
    other = tmp_path / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text(shipped())
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    monkeypatch.setenv("BLUT_STORE", str(home / "store"))
    with open_instance() as second:
        assert run(second)[1].metadata[reuse.REUSED].value is True
        assert COUNTED == ["a", "b"]
        run(second, text="b", reusable=False)
    assert COUNTED == ["a", "b", "b"], "what must not answer a later run does so in no history"


def _damage(note: Path, data: Path) -> None:
    data.chmod(0o644)
    data.write_text("z")


def _tear(note: Path, data: Path) -> None:
    note.write_bytes(note.read_bytes()[:100])


def _rename(note: Path, data: Path) -> None:
    note.rename(note.with_name(f"{'0' * 64}.json"))


@pytest.mark.parametrize("harm", [_damage, _tear, _rename])
def test_a_note_is_not_believed_without_its_bytes_nor_when_it_is_not_whole(
    instance: dg.DagsterInstance, harm: Callable[[Path, Path], None]
) -> None:
    first, made = run(instance)
    store = store_of(instance)
    (note,) = store.root.glob("results/*/*/*.json")
    instance.delete_run(first)
    harm(note, store.open(reuse.digest_of(made)) / "line")
    assert plan(instance, [line], {})[0].state == "stale"
    assert run(instance)[1].metadata[reuse.REUSED].value is False
    assert COUNTED == ["a", "a"]


def test_garbage_collection_keeps_the_newest_of_deleted_runs_and_takes_notes_with_bytes(
    instance: dg.DagsterInstance,
) -> None:
    made = {text: run(instance, text=text) for text in "abc"}
    for run_id, _ in made.values():
        instance.delete_run(run_id)
    store = store_of(instance)
    for digest in (reuse.digest_of(event) for _, event in made.values()):
        os.utime(store.record_path(digest, external=False), (0, 0))  # else it was used within the hour
    collect_garbage(instance, newest=2, unknown=True)
    kept = {reuse.digest_of(made[text][1]) for text in "bc"}
    assert {item.digest for item in store.list()} == kept
    assert {path.stem for path in store.root.glob("results/*/*/*.json")} == kept


def test_a_run_that_works_keeps_its_files_until_it_has_ended(
    home: Path, instance: dg.DagsterInstance
) -> None:
    run_id, _ = run(instance)
    hold_in(home, run_id)
    instance.delete_run(run_id)
    assert instance.get_run_by_id(run_id) is None
    assert (home / "runs" / run_id).is_dir()
    _held.pop(run_id).close()  # as its process leaves it when it is killed
    reap_dead_runs(instance)
    assert traces(home, run_id) == []


def test_a_result_of_an_older_declaration_is_stale_and_why_is_said(instance: dg.DagsterInstance) -> None:
    """What it leaves has a field more by now, and its code version is that of before."""
    run(instance)

    class Longer(Line):
        pages: int = pydantic.Field()

    spec = spec_of(line)
    assert spec is not None
    object.__setattr__(spec, "output", Longer)
    try:
        (planned,) = plan(instance, [line], {})
    finally:
        object.__setattr__(spec, "output", Line)
    assert planned.state == "stale" and "no Longer as it is declared now (pages" in planned.reason
