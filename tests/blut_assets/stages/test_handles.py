"""An input is what the same run made, whatever another run makes meanwhile."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.instance.instance import open_instance
from tests.conftest import REPOSITORY
from tests.forked import RUN, server


def _command(select: str, config: Path) -> list[str]:
    command = ["-m", "dagster", "asset", "materialize", "-m", "tests.torn"]
    return [*command, "--select", select, "--config", str(config)]


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_concurrent_runs_with_different_configs_do_not_mix(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    environment = {**os.environ, "TORN_GATE": str(gate)}
    for word in "ab":
        (tmp_path / word).write_text(f"ops: {{torn__first: {{config: {{word: {word}}}}}}}\n")
    python, said = server(*RUN), tmp_path / "said"
    run = python.start(_command("*", tmp_path / "a"), environment, REPOSITORY, said)
    while not gate.with_suffix(".reached").exists():
        assert run.poll() is None, said.read_text()
        time.sleep(0.05)
    other = python.run(_command('key:"torn/first"', tmp_path / "b"), environment, REPOSITORY)
    assert other.returncode == 0, other.stderr
    gate.touch()
    assert run.wait() == 0, said.read_text()
    with open_instance() as instance:
        record = instance.get_latest_materialization_event(dg.AssetKey(["torn", "last"]))
        assert record and record.asset_materialization
        assert record.asset_materialization.metadata["words"].value == "a a"
