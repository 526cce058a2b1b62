"""Payloads of other machines: nothing of this one is asked whether they fit."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.layers.resolve import layered, resolve
from blut_assets.stages.footprints import Kind
from blut_assets.stages.leasing import expected
from blut_assets.stages.limits import LimitsConfig
from blut_assets.stages.spec import spec_of
from blut_assets.stages.where import Where
from blut_resources.instance.instance import open_instance
from blut_resources.machine.memory import memory
from tests.blut_assets.recipes.toy import RECIPE
from tests.contained import TrainedConfig, trained

LARGE = LimitsConfig(memory_max=str(4 * memory().total))


@pytest.fixture(autouse=True)
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "launchers.toml"
    path.write_text(
        '[cluster]\nkind = "slurm"\n[gpus]\nkind = "slurm"\ngres = "gpu"\n[here]\nkind = "local"\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_LAUNCHERS", str(path))
    monkeypatch.delenv("BLUT_LAUNCHER", raising=False)
    return path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as opened:
        yield opened


def test_what_this_machine_lacks_is_no_trouble_of_a_job(instance: dg.DagsterInstance) -> None:
    spec = spec_of(trained)
    assert spec
    for launcher, trouble in (("cluster", False), ("here", True), (None, True)):
        config = TrainedConfig(limits=LARGE, launcher=launcher)
        found = expected(instance, spec, config, Kind(config, {}, 0))
        assert bool(found.trouble) is trouble
        assert ("as a job of cluster" in found.text) is not trouble


def test_a_limit_that_is_wanted_is_not_made_of_what_is_free_here(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_CONTAINED", "1")
    spec, config = spec_of(trained), TrainedConfig(launcher="cluster")
    assert spec
    found = expected(instance, spec, config, Kind(config, {}, 0))
    declared = os.environ.get("TRAINS_FOOTPRINT")
    assert ("nobody knows here what is free on another machine" in found.trouble) is not declared


def test_whoever_takes_a_gpu_where_there_is_one_gets_that_of_the_profile() -> None:
    assert [Where(name, None).any_gpu() for name in ("gpus", "cluster", "local")] == [1, 0, None]


def test_the_variable_is_stronger_than_a_file_and_weaker_than_an_arg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "blut").mkdir()
    (tmp_path / "blut" / "config.yaml").write_text("launcher: here\n")
    assert resolve(RECIPE, sets=["lr=1"]).args.launcher == "here"
    monkeypatch.setenv("BLUT_LAUNCHER", "cluster")
    found = layered(RECIPE, sets=["lr=1"])
    assert str(found.origins[("launcher",)]) == "$BLUT_LAUNCHER"
    assert resolve(RECIPE, sets=["lr=1", "launcher=gpus"]).args.launcher == "gpus"
