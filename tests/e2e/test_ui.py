"""What a person does in the UI, through the same GraphQL calls."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from cookbooks.llm.recipes import FINETUNE
from tests.conftest import REPOSITORY
from tests.e2e.box import KEPT, RECIPE, Box
from tests.test_trainer import _alive

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LAUNCH = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
STOP = """mutation ($id: String!, $how: TerminateRunPolicy) {
  terminateRun(runId: $id, terminatePolicy: $how) { __typename } }"""
DEFAULTS = """query ($selector: PipelineSelector!) {
  runConfigSchemaOrError(selector: $selector, mode: "default") {
    ... on RunConfigSchema { rootDefaultYaml } } }"""
RELOAD = "mutation { reloadWorkspace { __typename } }"
LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


class Ui:
    """A running `dagster dev`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url, self.process = f"http://127.0.0.1:{port}/graphql", process

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())["data"]

    def selector(self, job: str) -> dict[str, Any]:
        (repository,) = self.loaded()
        return {
            "pipelineName": job,
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
        }

    def answer(self, job: str, config: dict[str, Any], assets: list[str] | None = None) -> dict[str, Any]:
        """What Launch Run is answered with."""
        selector = self.selector(job)
        if assets:
            selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
        params = {"selector": selector, "runConfigData": config, "mode": "default"}
        try:
            return self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        except urllib.error.HTTPError as error:  # so comes what the job itself refuses
            return json.loads(error.read())["data"]["launchPipelineExecution"]

    def launch(self, job: str, config: dict[str, Any], assets: list[str] | None = None) -> str:
        answer = self.answer(job, config, assets)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def defaults(self, job: str) -> dict[str, Any]:
        """What the launchpad is filled with."""
        schema = self.ask(DEFAULTS, selector=self.selector(job))["runConfigSchemaOrError"]
        return yaml.safe_load(schema["rootDefaultYaml"])

    def loaded(self) -> list[dict[str, Any]]:
        """What there is to launch; where its server was killed, after the reload that a person asks for."""
        start, reloads = time.monotonic(), 0
        while not (found := self.ask(LOADED)["repositoriesOrError"].get("nodes")):
            waited = time.monotonic() - start
            assert waited < 180, "the code location does not come back"
            if waited > 60 * reloads:  # a second one would end the server that the first one starts
                self.ask(RELOAD)
                reloads += 1
            time.sleep(0.5)
        return found

    def wait(self, run: str, seconds: float = 120) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.ask(STATUS, id=run)["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            time.sleep(0.3)
        raise AssertionError(f"run {run} did not end")


@contextmanager
def dagster_dev(module: str, environment: dict[str, str]) -> Iterator[Ui]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-m", module, "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # `dagster dev` stops its services with SIGINT, which a job started in the background ignores
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    ui = Ui(port, process)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if ui.ask(LOADED)["repositoriesOrError"].get("nodes"):
                    break
            except OSError:
                pass
            assert process.poll() is None and time.monotonic() < deadline, "dagster dev did not come up"
            time.sleep(0.5)
        yield ui
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_launchpad_takes_the_recipes_args_and_reuses_what_the_command_made(box: Box) -> None:
    assert box.blut().returncode == 0
    before = box.versions()
    with dagster_dev("blut_assets.definitions", box.environment()) as ui:
        assert ui.wait(ui.launch(RECIPE, box.args)) == "SUCCESS"
        _assert_a_stranger_can_fill_in_the_form(ui)
    assert box.versions() == before
    assert all(box.metadata(name)["reused"] for name in KEPT)


def _assert_a_stranger_can_fill_in_the_form(ui: Ui) -> None:
    """The defaults are there, what is missing is named, and so is a value that will not do."""
    filled = ui.defaults(FINETUNE.name)
    assert filled.items() >= {"base_model": "sample:smollm2", "quant": "Q8_0", "epochs": 3}.items()
    assert filled.keys() <= FINETUNE.template().keys()
    missing = str(ui.answer(FINETUNE.name, filled))
    assert "RunConfigValidationInvalid" in missing and "['dataset_path', 'output_name']" in missing
    scaffolded = ui.answer(FINETUNE.name, {**filled, "dataset_path": "", "output_name": ""})["message"]
    assert "argument 'dataset_path' is missing: file of examples" in scaffolded
    given = {**filled, "dataset_path": "rows.jsonl", "output_name": "my model"}
    assert "root:quant not in enum" in str(ui.answer(FINETUNE.name, {**given, "quant": "Q4"}))
    refused = ui.answer(FINETUNE.name, {**given, "epochs": 0})["message"]
    assert "argument 'epochs' = 0: " in refused and "allowed: int >= 1 <= 1000" in refused
    assert "argument 'output_name' = 'my model': " in refused


def test_terminate_in_the_ui_ends_the_whole_tree_of_the_payload(home: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = {"hang": True, "pids": str(pids), "ignore_sigterm": True}
    environment = {**os.environ, "SCRIPT": json.dumps(script), "BLUT_GRACE_S": "2"}
    with dagster_dev("tests.scripted", environment) as ui:
        run = ui.launch("__ASSET_JOB", {}, ["test/scripted"])
        deadline = time.monotonic() + 60
        while not (pids.exists() and " " in pids.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ui.ask(STOP, id=run)
        assert ui.wait(run) == "CANCELED"
        time.sleep(1)
        assert [pid for pid in pids.read_text().split() if _alive(int(pid))] == []
