"""`blut runs export`: what TensorBoard and a real MLflow read of it."""

import json
import os
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from tests.e2e.scene import Scene, until

Event: Any = getattr(event_pb2, "Event")  # noqa: B009  # protobuf makes its classes when it is imported
READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
runs = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
print(json.dumps([
    {
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "name": run.info.run_name,
        "status": run.info.status,
        "params": run.data.params,
        "tags": run.data.tags,
        "results": run.data.metrics,
        "metrics": {
            key: [[m.step, m.timestamp, m.value] for m in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        },
    }
    for run in runs
]))
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run of three epochs, and one that fails after its first."""
    scene = Scene(tmp_path_factory.mktemp("export") / "scene")
    scene.behave(metric="val loss, first half (%)")
    assert scene.run(scene.recipe(epochs=3, word="<script>")) == 0, scene.said()
    scene.behave(exit=3)
    assert scene.run(scene.recipe(epochs=2)) == 1
    yield scene
    scene.close()


@pytest.fixture
def runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in scene.env.items():
        monkeypatch.setenv(name, value)
    return [run["id"] for run in json.loads(blut("jobs", "--json").stdout)[::-1]]


def blut(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="blut")


def epochs_of(run: str) -> list[dict[str, Any]]:
    home = Path(os.environ["DAGSTER_HOME"])
    lines = (home / "runs" / run / "status.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == "epoch"]


def events_in(directory: Path) -> list[Any]:
    """The records of an event file, each with its sums as TensorFlow has them."""
    (file,) = directory.iterdir()
    data, found, at = file.read_bytes(), [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        body = data[at + 12 : at + 12 + length]
        assert int.from_bytes(data[at + 8 : at + 12], "little") == masked_crc32c(data[at : at + 8])
        assert int.from_bytes(data[at + 12 + length : at + 16 + length], "little") == masked_crc32c(body)
        found.append(Event.FromString(body))
        at += 16 + length
    return found


def test_an_event_file_has_each_epoch_at_its_time_and_is_written_once(
    runs: list[str], tmp_path: Path
) -> None:
    command = ("runs", "export", runs[0][:8], "--as", "tensorboard", "-o", tmp_path / "logs", "--json")
    done = blut(*command)
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert told == {"run": runs[0], "written": str(tmp_path / "logs" / runs[0][:8])}
    curve = events_in(Path(told["written"], "contained", "trained"))[1:]
    shown = {(e.step, v.tag): (e.wall_time, v.simple_value) for e in curve for v in e.summary.value}
    reported = epochs_of(runs[0])
    assert len(reported) == 3
    for epoch in reported:
        for name, value in epoch["metrics"].items():
            at, seen = shown.pop((epoch["epoch"], name))
            assert at == epoch["t"] and seen == pytest.approx(value)
    assert not shown
    whole = {value.tag for event in events_in(Path(told["written"], "run")) for value in event.summary.value}
    assert {"_hparams_/session_start_info", "about/text_summary"} <= whole
    before = sorted(tmp_path.rglob("events*"))
    assert json.loads(blut(*command).stdout) == [{"run": runs[0], "written": ""}]
    assert sorted(tmp_path.rglob("events*")) == before


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    scene: Scene, runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.behave(gate=str(tmp_path / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=4))
    until(lambda: scene.happened("epoch-1"), process=process)
    going = json.loads(blut("jobs", "--json").stdout)[0]["id"]
    monkeypatch.setenv("PATH", str(tmp_path))
    for words, status, said in (
        ((going, "--as", "tensorboard", "-o", tmp_path / "logs"), 1, "has not ended yet"),
        ((runs[0], going, "--as", "tensorboard", "-o", tmp_path / "logs"), 1, "has not ended yet"),
        ((runs[0], "--as", "tensorboard", "-o", "sqlite:///x.db"), 2, "takes a directory"),
        ((runs[0], "--as", "mlflow", "-o", tmp_path / "x"), 2, "takes sqlite:///FILE"),
        ((runs[0], "--as", "mlflow", "-o", "sqlite:///x.db"), 1, "no command `mlflow`: `uv tool install"),
        (("zz", "--as", "mlflow", "-o", "sqlite:///x.db"), 2, "no run has an id that begins with 'zz'"),
    ):
        done = blut("runs", "export", *words)
        assert done.exit_code == status and said in done.stderr, done.output
    assert not (tmp_path / "logs").exists()
    (tmp_path / "gate").touch()
    assert process.wait() == 0


@pytest.mark.heavy
def test_a_real_mlflow_reads_what_its_own_was_given(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    bin_, store = tmp_path / "venv" / "bin", f"sqlite:///{tmp_path}/mlflow.db"
    packages = ("mlflow-skinny", "sqlalchemy", "alembic", "sqlparse")
    subprocess.run([bin_ / "pip", "install", "--quiet", *packages], check=True)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    done = blut("runs", "export", *runs[:2], "--as", "mlflow", "-o", store, "--json")
    assert done.exit_code == 0, done.output
    assert all(row["written"] for row in json.loads(done.stdout))
    again = blut("runs", "export", *runs[:2], "--as", "mlflow", "-o", store)
    assert again.stdout.count("already") == 2
    read = subprocess.run([bin_ / "python", "-c", READ, store], capture_output=True, text=True, check=True)
    there = {run["name"]: run for run in json.loads(read.stdout)}
    assert {run["experiment"] for run in there.values()} == {"contained"} and len(there) == 4
    whole, curve = there[f"contained {runs[0][:8]}"], there[f"contained/trained {runs[0][:8]}"]
    assert whole["status"] == "FINISHED" and there[f"contained {runs[1][:8]}"]["status"] == "FAILED"
    assert whole["params"]["word"] == "<script>" and whole["tags"]["blut.run"] == runs[0]
    for epoch in epochs_of(runs[0]):
        for name, value in epoch["metrics"].items():
            points = curve["metrics"][name.replace(",", "_").replace("(", "_").replace("%)", "__")]
            assert [epoch["epoch"], int(epoch["t"] * 1000), value] in points
