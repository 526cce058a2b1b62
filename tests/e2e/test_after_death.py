"""After a run was killed every command, sensor and listing goes on, and says that its process died."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import PATIENCE_S, Scene, until
from tests.forked import RUN, server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

READ = """
import sys, traceback
from blut_assets.cli.app import app
for line in sys.argv[1:]:
    print("$", line, flush=True)
    try:
        app(line.split(), prog_name="blut")
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        status = traceback.format_exc()
    print("status", status, flush=True)
"""
TICK = """
import json, pathlib, sys
import dagster as dg
from blut_assets.definitions import defs
from blut_resources.instance.instance import open_instance
kept = pathlib.Path(sys.argv[1])
cursors = json.loads(kept.read_text()) if kept.exists() else {}
with open_instance() as instance:
    repository = defs.get_repository_def()
    told = [s for s in repository.sensor_defs if not isinstance(s, dg.AutomationConditionSensorDefinition)]
    for sensor in sorted(told, key=lambda sensor: sensor.name != "blut_reaper"):
        context = dg.build_sensor_context(
            instance, cursors.get(sensor.name), repository_def=repository, sensor_name=sensor.name
        )
        done = sensor.evaluate_tick(context)
        cursors[sensor.name] = done.cursor
        print(sensor.name, done.skip_message, flush=True)
kept.write_text(json.dumps(cursors))
"""
DIED = "The process of this run died"
READERS = (
    *("jobs", "jobs --running", "jobs --json", "results {run}", "results {run} --json", "log {run}"),
    *("log {run} --events", "log {run} --output", "runs diff {run} {run}", "plan contained"),
    *("policy show", "policy check", "auto", "cache show --all", "cache verify --quick", "cache prune"),
    *("model list", "cancel {run}", "doctor"),
)


def read(scene: Scene, code: str, *words: str, **extra: str) -> str:
    done = server(*RUN).run(["-c", code, *words], scene.environment(**extra), REPOSITORY)
    return done.stdout + done.stderr


def kill(scene: Scene, at: str, victim: str = "self") -> None:
    """Let the policy start its recipe, and end that there."""
    fault = {"at": at, "victim": victim, "nth": 1, "number": 9, "fired": str(scene.root / "fired")}
    paths = os.pathsep.join([str(REPOSITORY / "tests" / "faults"), scene.env["PYTHONPATH"]])
    process = scene.start([*BLUT, "auto"], BLUT_FAULT=json.dumps(fault), PYTHONPATH=paths)
    assert process.wait(PATIENCE_S) != 0
    assert (scene.root / "fired").exists(), scene.said()
    until(lambda: not scene.held())


@pytest.mark.parametrize(
    ("at", "victim"),
    [
        ("before the run shows as started", "self"),
        ("before the payload starts", "run"),
        ("after the work goes", "self"),
    ],
)
def test_every_reader_goes_on(scene: Scene, tmp_path: Path, at: str, victim: str) -> None:
    told = tmp_path / "told"
    (tmp_path / "alerts.toml").write_text(
        f'[[hook]]\nname = "file"\ncommand = ["sh", "-c", "cat >> {told}"]\non = ["retrain-failed"]\n'
    )
    scene.env |= {
        "BLUT_TRAIN_POLICY": str(tmp_path / "policy.toml"),
        "BLUT_ALERTS": str(tmp_path / "alerts.toml"),
    }
    policy = ("--recipe", "contained", "--max-age", "1s", "--quiet-hours", "any")
    enabled = scene.blut("policy", "enable", *policy)
    assert enabled.returncode == 0, enabled.stderr
    read(scene, TICK, str(tmp_path / "cursors"))  # alerts are told from the first tick on
    kill(scene, at, victim)
    with scene.instance() as instance:
        (run,) = [run.run_id for run in instance.get_runs()]
    ticked = read(scene, TICK, str(tmp_path / "cursors"))
    said = read(scene, READ, *(words.format(run=run) for words in READERS))
    parts = dict(part.split("\n", 1) for part in said.split("$ ")[1:])
    assert "Traceback" not in said + ticked, said + ticked
    statuses = {words: part.split()[-1] for words, part in parts.items()}
    failed = {words for words, status in statuses.items() if status != "0"}
    assert failed <= {"policy check", "doctor"}, said  # nothing is due; a cookbook may lack its extra
    for words in ("jobs", f"results {run}", f"log {run}"):
        assert DIED in parts[words], parts[words]
    assert "no job is running" in parts["jobs --running"]
    assert "backoff" in parts["policy check"] and "failed" in parts["auto"]
    assert f"reaper marked as failed, their process died: {run[:8]}" in ticked
    (alert,) = map(json.loads, told.read_text().splitlines())
    assert alert["event"] == "retrain-failed" and alert["message"].startswith(DIED)
