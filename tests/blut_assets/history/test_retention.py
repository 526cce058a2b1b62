"""Garbage collection keeps what can still be reached and removes the rest."""

import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.history.retention import collect_garbage, reachable
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.store.gc import collect
from tests.databases import shipped

STARTED = dg.DagsterRunStatus.STARTED


class Note(Artifact):
    """A word on disk."""

    kind = "test.note"


class WordConfig(StageConfig):
    """Which word."""

    word: str = "a"


@stage_asset(cookbook="notes", group="a")
def first(stage: Stage, config: WordConfig) -> Note:
    """The word."""
    (stage.out / "word").write_text(config.word)
    return Note()


@stage_asset(cookbook="notes", group="a")
def second(stage: Stage, first: Note) -> Note:
    """Twice the word."""
    (stage.out / "word").write_text((stage.open(first) / "word").read_text() * 2)
    return Note()


def run(instance: dg.DagsterInstance, word: str) -> dict[str, str]:
    """Materialize both; returns asset name -> digest."""
    result = dg.materialize(
        [first, second],
        instance=instance,
        resources={"blut_handles": HANDLES},
        run_config={"ops": {"notes__first": {"config": {"word": word}}}},
    )
    return {name: result.output_for_node(f"notes__{name}").digest for name in ("first", "second")}


@pytest.mark.usefixtures("home")
def test_the_newest_results_and_what_they_were_made_of_are_kept() -> None:
    with open_instance() as instance:
        made = {word: run(instance, word) for word in ("a", "b", "c")}
        run(instance, "c")
        assert reachable(instance, 2) == {d for word in ("b", "c") for d in made[word].values()}
        store = store_of(instance)
        keep = reachable(instance, 1)
        report = collect(store, keep, in_use_grace_s=0)
        assert set(report.removed) == {d for word in ("a", "b") for d in made[word].values()}
        assert all(store.has(digest) for digest in made["c"].values())
        assert run(instance, "a") == made["a"], "what was removed is computed again"


@pytest.mark.usefixtures("home")
def test_what_was_just_made_is_spared_and_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    with open_instance() as instance:
        made = [run(instance, word) for word in ("a", "b")]
        report = collect_garbage(instance, newest=1)
        assert report.removed == () and len(report.recent) == 2
        collect(store_of(instance), set(), in_use_grace_s=0, dry_run=True)
        assert all(store_of(instance).has(digest) for digests in made for digest in digests.values())
        assert report.bytes_recent == 3 and 0 < (report.recent_until or 0) - time.time() <= 3600
        with pytest.raises(ValueError, match="newest = 0"):
            collect_garbage(instance, newest=0)


@pytest.mark.usefixtures("home")
def test_what_was_just_made_goes_when_that_is_asked_for_but_not_while_a_run_goes_on() -> None:
    with open_instance() as instance:
        before = run(instance, "a")
        going = instance.create_run_for_job(dg.GraphDefinition("other").to_job(), status=STARTED)
        made, _ = [run(instance, word) for word in ("b", "c")]
        held = collect_garbage(instance, newest=1, even_recent=True, dry_run=True)
        assert set(held.removed) == set(before.values()), "only what that run cannot have touched"
        assert set(held.recent) == set(made.values())
        instance.report_run_failed(going)
        report = collect_garbage(instance, newest=1, even_recent=True)
        assert set(report.removed) == {*before.values(), *made.values()} and not report.recent


@pytest.mark.usefixtures("home")
def test_what_another_home_on_the_same_store_needs_is_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "shared"))
    with open_instance() as instance:
        made = {word: run(instance, word) for word in ("a", "b")}
    second = tmp_path / "second"
    second.mkdir()
    (second / "dagster.yaml").write_text(shipped())
    monkeypatch.setenv("DAGSTER_HOME", str(second))
    with open_instance() as instance:
        made["c"] = run(instance, "c")
        report = collect_garbage(instance, newest=1, even_recent=True)
        assert set(report.removed) == {*made["a"].values()} - {*made["b"].values(), *made["c"].values()}
        assert all(store_of(instance).has(d) for word in ("b", "c") for d in made[word].values())
    shutil.rmtree(home)  # a clone that was deleted needs nothing
    with open_instance() as instance:
        run(instance, "d")
        assert {*made["b"].values()} <= set(collect_garbage(instance, newest=1, even_recent=True).removed)


@pytest.mark.sqlite
def test_nothing_is_removed_while_another_home_on_the_same_store_cannot_be_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "shared"))
    with open_instance() as instance:
        run(instance, "a")
    (home / "history" / "runs.db").write_bytes(b"no database" * 1000)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "second"))
    with open_instance() as instance:
        made = [run(instance, word) for word in ("b", "c")]
        with pytest.raises(ValueError, match=r"also serves .*home, whose history cannot be read"):
            collect_garbage(instance, newest=1, even_recent=True)
        assert all(store_of(instance).has(digest) for digests in made for digest in digests.values())
