"""New recordings are noticed by a stat, digested once, and make what was made of the old ones stale."""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance
from sensors.corpus_watch import corpus_watch_sensor
from tests.sensors.kept import keep, tick


class Files(Artifact):
    """Files."""

    kind = "watched.files"


class FilesConfig(StageConfig):
    """Where they are."""

    root: str = ""


@stage_asset(cookbook="watched", group="sources", source=True)
def files(stage: Stage, config: FilesConfig) -> Files:
    """Every file of a directory."""
    root = Path(config.root)
    return Files(digest=stage.store.put_reference(root, sorted(root.iterdir())))


RESOURCES = {"blut_handles": HANDLES}


class Watch:
    """Ticks the sensor, and runs what it asks for as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.keys = instance, None, set[str]()
        self.sensor = corpus_watch_sensor([files])

    def tick(self) -> list[Any]:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result: Any = self.sensor(context)
        self.cursor = result.cursor
        self.words = result.skip_reason.skip_message if result.skip_reason else ""
        new = [request for request in result.run_requests or [] if request.run_key not in self.keys]
        self.keys |= {request.run_key for request in new}
        return new

    def run(self, config: Any) -> str:
        done = dg.materialize([files], instance=self.instance, resources=RESOURCES, run_config=config)
        return done.output_for_node("watched__files").digest


def test_a_change_that_has_settled_is_digested_once(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").write_text("a")
    config = {"ops": {"watched__files": {"config": {"root": str(data)}}}}
    with open_instance() as instance:
        watch = Watch(instance)
        assert watch.tick() == [] and "no raw input" in watch.words
        first = watch.run(config)
        assert watch.tick() == [] and watch.words == "watched/files: unchanged"
        (data / "b").write_text("half")
        assert watch.tick() == [], "somebody may still be copying"
        (data / "b").write_text("half and half")
        assert watch.tick() == []
        (request,) = watch.tick()
        assert request.asset_selection == [files.key] and request.run_config == config
        assert watch.tick() == [], "one run for one change"
        assert watch.run(request.run_config) != first
        assert watch.tick() == [] and watch.words == "watched/files: unchanged"
        os.utime(data / "a")
        assert watch.tick() == [] and len(watch.tick()) == 1, "touched: to be read again, to know"
        watch.run(config)
        (data / "a").write_text("A")
        (data / "b").unlink()
        watch.tick()
        assert json.loads(watch.cursor or "")
        for path in data.iterdir():
            path.unlink()
        data.rmdir()
        assert watch.tick() == [] and "cannot be looked at" in watch.words


@pytest.mark.usefixtures("home")
def test_a_glance_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").write_text("a")
    with open_instance() as instance:
        watch = Watch(instance)
        watch.run({"ops": {"watched__files": {"config": {"root": str(data)}}}})
        (data / "new").write_text("new")
        for name in ("digest_file", "digest_files"):
            monkeypatch.setattr(f"blut_resources.files.digest.{name}", _never)
        watch.tick()
        assert len(watch.tick()) == 1


def test_of_two_locations_the_first_looks_and_the_other_at_what_only_it_has(
    home: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").write_text("a")
    with open_instance() as instance:
        watch = Watch(instance)
        watch.run({"ops": {"watched__files": {"config": {"root": str(data)}}}})
        for at in (100.0, 130.0):
            assert tick(instance, watch.sensor, "blut", at, at - 30)[0] == "watched/files: unchanged"
            said, cursor = tick(instance, watch.sensor, "ml", at + 1, at - 29)
            assert said.startswith("done by the code location blut") and json.loads(cursor) == {}
        keep(instance, watch.sensor.name, "blut", cursor=json.dumps({"watched/others": ""}))
        keep(instance, watch.sensor.name, "blut", last_tick_start_timestamp=130.0)
        assert tick(instance, watch.sensor, "ml", 160.0, 131.0)[0] == "watched/files: unchanged"


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("a file was read")
