"""An input is what the same run made, whatever another run makes meanwhile."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import REPOSITORY


def _command(select: str, config: Path) -> list[str]:
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "tests.torn"]
    return [*command, "--select", select, "--config", str(config)]


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_concurrent_runs_with_different_configs_do_not_mix(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    environment = {**os.environ, "TORN_GATE": str(gate)}
    for word in "ab":
        (tmp_path / word).write_text(f"ops: {{torn__first: {{config: {{word: {word}}}}}}}\n")
    run = subprocess.Popen(
        _command("*", tmp_path / "a"), cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not gate.with_suffix(".reached").exists():
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    subprocess.run(
        _command('key:"torn/first"', tmp_path / "b"),
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
    )
    gate.touch()
    assert run.wait(60) == 0
    with dg.DagsterInstance.get() as instance:
        record = instance.get_latest_materialization_event(dg.AssetKey(["torn", "last"]))
        assert record and record.asset_materialization
        assert record.asset_materialization.metadata["words"].value == "a a"
