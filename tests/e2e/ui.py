"""A running `dagster dev`, and what a person does in its UI, through the same GraphQL calls."""

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
from typing import Any

import yaml

from tests.conftest import REPOSITORY

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
        with urllib.request.urlopen(request, timeout=300) as response:
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

    def wait(self, run: str, seconds: float = 300) -> str:
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
        deadline = time.monotonic() + 300
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
