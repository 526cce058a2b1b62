"""What is kept of a run that is spared something is what is kept of any other."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.dagster_private.sparing import spared
from blut_resources.instance.instance import open_instance
from tests.databases import shipped

UNLIKE = re.compile(
    r'\\"(timestamp|duration_ms|log_key)\\": ?[^,}]*,?|pid: \d+|FloatMetadataEntryData\\", ?\\"value[^}]*'
)
"""Times, numbers of processes, and names that are drawn by chance."""
TAKEN = re.compile(r"\b\d[\d.]*m?s\b")
INDEX = (
    "SELECT id, run_id, event, dagster_event_type, step_key, asset_key FROM event_logs ORDER BY id",
    "SELECT event_id, asset_key, key, value FROM asset_event_tags ORDER BY id",
    "SELECT id, asset_key, last_materialization, last_run_id FROM asset_keys ORDER BY id",
)


class Ore(Artifact):
    kind = "test.spared_ore"


class OreConfig(StageConfig):
    tons: int = 1


@stage_asset(cookbook="spared", group="a", source=True)
def pit(stage: Stage) -> Ore:
    (stage.out / "data").write_text("pit")
    return Ore()


@stage_asset(cookbook="spared", group="a")
def heap(stage: Stage, pit: Ore, config: OreConfig) -> Ore:
    (stage.out / "data").write_text(f"{(stage.open(pit) / 'data').read_text()} {config.tons}")
    return Ore()


@stage_asset(cookbook="spared", group="a")
def slag(stage: Stage, heap: Ore, pit: Ore) -> Ore:
    (stage.out / "data").write_text("slag")
    return Ore()


@dg.asset_check(asset=slag)
def is_cold() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(deps=[slag], key_prefix="spared", code_version="1")
def road(context: dg.AssetExecutionContext) -> None:
    context.log.info("nothing of Blut")


ASSETS = [pit, heap, slag, road]
JOB = dg.Definitions(
    ASSETS,
    asset_checks=[is_cold],
    jobs=[dg.define_asset_job("spared_job", selection="*")],
    resources={"blut_handles": HANDLES},
).resolve_job_def("spared_job")


def _runs(home: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[..., Any]) -> list[Any]:
    """What an empty home keeps of a run, of one that reuses it, and of one that computes some of it again."""
    home.mkdir()
    (home / "dagster.yaml").write_text(shipped())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with open_instance() as instance:
        ids = list[str]()
        for tons in (1, 1, 2):
            with how(instance):
                config = {"ops": {"spared__heap": {"config": {"tons": tons}}}}
                done = JOB.execute_in_process(config, instance=instance)
            assert done.success
            ids.append(done.run_id)
        found = [_events(instance, run_id) for run_id in ids]
    index = sqlite3.connect(home / "history" / "runs" / "index.db")
    with contextlib.closing(index):
        found += [index.execute(query).fetchall() for query in INDEX]
    text = json.dumps(found).replace(str(home), "HOME")
    for number, run_id in enumerate(ids):
        text = text.replace(run_id, f"RUN {number}").replace(run_id[:8], f"RUN {number}")
    return json.loads(TAKEN.sub("0ms", UNLIKE.sub("", text)))


def _events(instance: dg.DagsterInstance, run_id: str) -> list[Any]:
    return [
        [record.storage_id, dg.serialize_value(record.event_log_entry)]
        for record in instance.get_records_for_run(run_id).records
    ]


def test_its_events_are_those_of_a_run_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _runs(tmp_path / "plain", monkeypatch, contextlib.nullcontext)
    assert _runs(tmp_path / "spared", monkeypatch, spared) == plain
    reused = [row for row in plain[1] if "nothing computed" in row[1]]
    again = [row for row in plain[2] if "nothing computed" in row[1]]
    assert [len(reused), len(again)] == [2, 0]
    assert all(map(len, plain))
