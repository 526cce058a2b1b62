"""A web server and a daemon without Blut, beside a code server that has it: as Dagster documents it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server
from tests.neighbours.hosts import PATIENCE_S, Hosts, hosts, python_without_blut
from tests.neighbours.toy import install

JOB, LOCATION = "neighbour_line", "codec"
RUNS = """query ($job: PipelineSelector!) { pipelineOrError(params: $job) { ... on Pipeline { runs {
  runId status } } } }"""
TICKS = """query ($where: RepositorySelector!) { sensorsOrError(repositorySelector: $where) { ... on Sensors {
  results { name sensorState { ticks(limit: 1) { status error { message } } } } } } }"""


class Deployment:
    """The processes, and commands of a terminal on the same instance."""

    def __init__(self, made: Hosts) -> None:
        self.hosts = made
        made.serve_code(LOCATION)
        self.ui = made.serve_ui()
        made.run_daemon()

    def blut(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in a directory that says nothing about the deployment."""
        elsewhere = self.hosts.root / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return server(*RUN).run([*BLUT[1:], *words], self.hosts.code, elsewhere)

    def manifest(self, run_id: str) -> dict[str, Any]:
        return json.loads((self.hosts.home / "runs" / run_id / "manifest.json").read_text())

    def sensors(self) -> dict[str, str]:
        """The newest tick of each sensor of Blut: its status, or its error."""
        where = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
        found = self.ui.ask(TICKS, where=where)["sensorsOrError"]["results"]
        ticks = {one["name"]: one["sensorState"]["ticks"] for one in found}
        return {name: str(tick[0]["error"] or tick[0]["status"]) for name, tick in ticks.items() if tick}

    def page(self) -> dict[str, str]:
        """The runs on the job's page, with their status."""
        found = self.ui.ask(RUNS, job=self.ui.selector(JOB))["pipelineOrError"]["runs"]
        return {run["runId"]: run["status"] for run in found}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Three processes on a home that Blut made."""
    root = tmp_path_factory.mktemp("deployment")
    path = os.pathsep.join([install(root / "site"), str(REPOSITORY)])
    leases = str(root / "leases")
    with hosts(root, root / "home", PYTHONPATH=path, BLUT_COOKBOOKS="neighbour", BLUT_LEASES=leases) as made:
        done = server(*RUN).run([*BLUT[1:], "stage", "run", "neighbour/line"], made.code, root)
        assert done.returncode == 0, done.stderr
        yield Deployment(made)


def test_the_hosts_have_no_blut(tmp_path: Path) -> None:
    python, environment = python_without_blut()
    for module, there in (("dagster_webserver", True), ("blut_resources", False), ("blut_assets", False)):
        done = subprocess.run(
            [python, "-c", f"import {module}"], env=environment, cwd=tmp_path, capture_output=True
        )
        assert (done.returncode == 0) is there, module


@pytest.mark.heavy
def test_a_run_of_that_ui_and_one_of_a_terminal_reuse_each_other_and_stand_on_one_page(
    deployment: Deployment,
) -> None:
    of_ui = deployment.ui.launch(JOB, {"reuse": "never"})
    assert deployment.ui.wait(of_ui, 90) == "SUCCESS", deployment.hosts.said("code")
    assert deployment.manifest(of_ui)["outcome"] == "succeeded"

    deadline = time.monotonic() + PATIENCE_S
    while not any(name.startswith("blut_") for name in deployment.sensors()):
        assert time.monotonic() < deadline, deployment.hosts.said("daemon")
        time.sleep(0.5)
    done = deployment.blut("recipe", "run", JOB)
    assert done.returncode == 0 and "1 reused" in done.stdout, done.stdout + done.stderr
    with dg.DagsterInstance.from_config(str(deployment.hosts.home)) as instance:
        of_terminal = instance.get_runs(limit=1)[0].run_id
    assert deployment.page() == {of_ui: "SUCCESS", of_terminal: "SUCCESS"}
    assert deployment.manifest(of_terminal)["outcome"] == "succeeded"

    again = deployment.ui.launch(JOB, {})
    assert deployment.ui.wait(again, 90) == "SUCCESS"
    said = deployment.blut("cache", "stats", again, "--json")
    assert said.returncode == 0 and json.loads(said.stdout), said.stderr
    assert all(status in ("SKIPPED", "SUCCESS", "STARTED") for status in deployment.sensors().values())
