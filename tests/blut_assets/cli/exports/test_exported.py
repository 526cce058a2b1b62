"""`blut runs export`: what TensorBoard, a real MLflow and a real client of OpenLineage read of it."""

import json
import os
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.sweeps.record import SWEEP_TAG
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
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

READ_EVENTS = """
import inspect, json, pathlib, pkgutil, sys
from importlib import import_module
from openlineage.client import event_v2, generated
names = [f"{generated.__name__}.{one.name}" for one in pkgutil.iter_modules(generated.__path__)]
found = [kind for name in names for _, kind in inspect.getmembers(import_module(name), inspect.isclass)]
kinds = {kind._get_schema(): kind for kind in found if hasattr(kind, "_get_schema")}
def typed(facets):
    for facet in facets.values():
        kind = kinds[facet["_schemaURL"]]
        kind(**{name: value for name, value in facet.items() if not name.startswith("_")})
seen = 0
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    event = json.loads(line)
    assert kinds[event["schemaURL"]] is event_v2.RunEvent
    typed(event["run"]["facets"])
    typed(event["job"]["facets"])
    for one in event["inputs"] + event["outputs"]:
        typed(one["facets"])
        typed(one.get("outputFacets", {}))
    event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]), eventTime=event["eventTime"],
        run=event_v2.Run(**event["run"]), job=event_v2.Job(**event["job"]))
    seen += 1
print(seen)
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run of three epochs, one that fails after its first, and the first again, which computes nothing."""
    scene = Scene(tmp_path_factory.mktemp("export") / "scene")
    scene.behave(metric="val loss, first half (%)")
    assert scene.run(scene.recipe(epochs=3, word="<script>")) == 0, scene.said()
    scene.behave(exit=3)
    assert scene.run(scene.recipe(epochs=2)) == 1
    assert scene.run(scene.recipe(epochs=3)) == 0
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
        ((runs[0], "--as", "openlineage", "-o", "sqlite:///x.db"), 2, "takes a file or http://HOST"),
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


def written(target: Path, *runs: str) -> list[dict[str, Any]]:
    done = blut("runs", "export", *runs, "--as", "openlineage", "-o", target, "--json")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in target.read_text().splitlines()]


def manifest_of(run: str) -> dict[str, Any]:
    return json.loads(Path(os.environ["DAGSTER_HOME"], "runs", run, "manifest.json").read_text())


def versions(datasets: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["facets"]["datasetVersion"]["datasetVersion"] for one in datasets}


def ends(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last event of each job; each run has begun once and ended once."""
    kinds: dict[str, list[str]] = {}
    for event in events:
        kinds.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(kind[0] == "START" and kind[1] in ("COMPLETE", "FAIL") for kind in kinds.values())
    assert all(len(kind) == 2 for kind in kinds.values())
    return {event["job"]["name"]: event for event in events if event["eventType"] != "START"}


def test_each_asset_has_made_a_version_of_what_it_took(runs: list[str], tmp_path: Path) -> None:
    made = manifest_of(runs[0])["artifacts"]
    ended = ends(written(tmp_path / "a.ndjson", runs[0]))
    assert ended.keys() == {"contained", *(f"contained.{name}" for name in made)} and len(made) == 3
    trained = ended["contained.contained/trained"]
    assert versions(trained["inputs"]) == {"contained/raw": made["contained/raw"]}
    assert versions(trained["outputs"]) == {"contained/trained": made["contained/trained"]}
    (output,) = trained["outputs"]
    assert {"name": "epochs", "type": "integer"} in output["facets"]["schema"]["fields"]
    assert output["outputFacets"]["outputStatistics"]["size"] > 0
    assert trained["run"]["facets"]["parent"]["run"] == {"runId": runs[0]}
    whole = ended["contained"]
    assert whole["run"]["runId"] == runs[0] and whole["eventType"] == "COMPLETE"
    assert whole["inputs"] == [] and versions(whole["outputs"]) == made
    commit = manifest_of(runs[0])["git"]["commit"]
    assert whole["job"]["facets"]["sourceCodeLocation"]["version"].startswith(commit)


def test_what_failed_says_why_and_has_made_nothing(runs: list[str], tmp_path: Path) -> None:
    ended = ends(written(tmp_path / "a.ndjson", runs[1]))
    for name in ("contained", "contained.contained/trained"):
        assert ended[name]["eventType"] == "FAIL"
        assert "exit" in ended[name]["run"]["facets"]["errorMessage"]["message"]
    assert ended["contained.contained/trained"]["outputs"] == []
    assert versions(ended["contained.contained/trained"]["inputs"]).keys() == {"contained/raw"}


def test_what_was_reused_was_taken_and_not_made(runs: list[str], tmp_path: Path) -> None:
    ended = ends(written(tmp_path / "a.ndjson", runs[2]))
    assert ended.keys() == {"contained", "contained.contained/raw"}
    made = manifest_of(runs[0])["artifacts"]
    assert versions(ended["contained"]["inputs"]) == {"contained/trained": made["contained/trained"]}
    assert versions(ended["contained"]["outputs"]) == {"contained/raw": made["contained/raw"]}


def test_a_file_is_added_to_and_has_each_run_once(runs: list[str], tmp_path: Path) -> None:
    target = tmp_path / "a.ndjson"
    first = written(target, runs[0])
    both = written(target, runs[0], runs[1])
    assert both[: len(first)] == first and ends(both[len(first) :])["contained"]["run"]["runId"] == runs[1]
    target.write_text("epoch,loss\n")
    done = blut("runs", "export", runs[0], "--as", "openlineage", "-o", target)
    assert done.exit_code == 1 and "line 1 is no event of OpenLineage" in done.stderr
    assert target.read_text() == "epoch,loss\n"


def test_a_run_of_a_sweep_is_below_it_and_its_assets_below_the_run(runs: list[str], tmp_path: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        instance.add_run_tags(runs[1], {SWEEP_TAG: "0123abcd"})
    ended = ends(written(tmp_path / "a.ndjson", runs[1]))
    sweep = ended["contained"]["run"]["facets"]["parent"]
    assert sweep["job"]["name"] == "contained.sweep" and sweep["root"]["run"] == sweep["run"]
    asset = ended["contained.contained/trained"]["run"]["facets"]["parent"]
    assert asset["run"] == {"runId": runs[1]} and asset["root"]["run"] == sweep["run"]


@pytest.mark.heavy
def test_a_real_client_reads_the_file_and_sends_the_same(runs: list[str], tmp_path: Path) -> None:
    packages, target = tmp_path / "packages", tmp_path / "a.ndjson"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--ignore-installed", "--target", packages]
    subprocess.run([*pip, "openlineage-python>=1.54"], check=True)
    told = written(target, *runs)
    alone = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)}
    read = [sys.executable, "-S", "-c", READ_EVENTS, target]
    done = subprocess.run(read, env=alone, capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) == len(told), done.stderr
    heard: list[dict[str, Any]] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = (self.path, self.headers["Authorization"]) == ("/api/v1/lineage", "Bearer secret")
            heard.append(json.loads(body))
            self.send_response(201 if known else 403)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    command = [*BLUT, "runs", "export", *runs, "--as", "openlineage", "-o", url]
    seen = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(packages)])
    env = {**os.environ, "PYTHONPATH": seen, "OPENLINEAGE_API_KEY": "secret"}
    done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(url) == len(runs), done.stderr
    assert sorted(map(_plain, heard)) == sorted(map(_plain, told))
    refused = subprocess.run(
        command, env={**env, "OPENLINEAGE_API_KEY": "x"}, cwd=REPOSITORY, capture_output=True, text=True
    )
    server.shutdown()
    assert refused.returncode == 1 and f"0 of {len(told)} events were taken" in refused.stderr


def _plain(event: dict[str, Any]) -> str:
    """An event without what the client adds where there is nothing."""
    return json.dumps(_filled(event), sort_keys=True)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: there for key, one in value.items() if (there := _filled(one)) not in ({}, [])}
    return [_filled(one) for one in value] if isinstance(value, list) else value
