"""A backfill of the UI: a daemon without Blut starts a run for each partition, and a terminal reuses them."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from tests import parted
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server
from tests.installed import install
from tests.neighbours.hosts import PATIENCE_S, hosts

JOB, LOCATION = "parted_codec", "codec"
BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
KEYS = parted.SITES.get_partition_keys()


def ended(home: Path, expected: int) -> list[dg.DagsterRun]:
    """The runs of the job, when so many have ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            runs = list(instance.get_runs())
        if len([run for run in runs if run.is_finished]) == expected:
            return runs
        time.sleep(0.5)
    raise AssertionError(f"{len(runs)} runs: {[(run.job_name, run.status, run.tags) for run in runs]}")


@pytest.mark.heavy
def test_a_backfill_makes_what_a_terminal_reuses(tmp_path: Path) -> None:
    path = os.pathsep.join([install(tmp_path / "site", "parted", "tests.parted"), str(REPOSITORY)])
    environment = {"BLUT_COOKBOOKS": "parted", "BLUT_LEASES": str(tmp_path / "leases")}
    with hosts(tmp_path, tmp_path / "home", PYTHONPATH=path, **environment) as made:
        (tmp_path / "home").mkdir()
        with dg.DagsterInstance.from_config(str(tmp_path / "home")):  # two of Dagster's cannot make a history
            pass
        made.serve_code(LOCATION)
        ui = made.serve_ui()
        made.run_daemon()
        where = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
        chosen = {"partitionSetName": f"{JOB}_partition_set", "repositorySelector": where}
        told = ui.ask(BACKFILL, params={"selector": chosen, "partitionNames": KEYS})
        assert "backfillId" in told["launchPartitionBackfill"], told
        runs = ended(tmp_path / "home", 3)
        assert {run.tags["dagster/partition"] for run in runs} == {*KEYS}
        assert all(run.is_success for run in runs), made.said("code")
        assert {run.tags["blut/recipe"] for run in runs} == {JOB}

        assets = [{"path": list(asset.key.path)} for asset in (parted.place, parted.codec)]
        told = ui.ask(BACKFILL, params={"assetSelection": assets, "partitionNames": KEYS[:2]})
        assert "backfillId" in told["launchPartitionBackfill"], told
        assert all(run.is_success for run in ended(tmp_path / "home", 5)), made.said("code")

        def blut(*words: str) -> str:
            done = server(*RUN).run([*BLUT[1:], *words], made.code, tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        again = blut("recipe", "run", JOB, "--partition", "all")
        assert again.count("parted/codec   reused") == 3, again
        assert "1 computed" in blut("recipe", "run", "parted_report")
