"""A home that an earlier version has written opens today, at another place than where it was made."""

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import torch
import yaml

from blut_resources.compute_logs import LocalLogs
from blut_resources.dagster_private.storage import PooledRuns
from blut_resources.instance.instance import open_instance, store_of
from blut_resources.registry.models import ModelRegistry
from cookbooks.lamquant.codec.checkpoint import load_checkpoint
from tests.e2e.box import BLUT, RECIPE
from tests.forked import RUN, server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OPENING = (".identity", "alive/", "store/homes/")
"""What opening a home that was moved, whose last process is gone, writes."""
STAMPS = "store/stat/"
"""What was hashed already; another place has other inodes, so the first look at a file writes them anew."""


class Old:
    """The home, with what its owner had beside it."""

    def __init__(self, root: Path, archive: str) -> None:
        with tarfile.open(Path(__file__).with_name(archive)) as packed:
            packed.extractall(root, filter="data")
        self.root, self.home = root, root / "home"
        self.facts: dict[str, Any] = json.loads((root / "facts.json").read_text())
        moved = (root / "args.json").read_text().replace(self.facts["place"], str(root))
        self.args = {**json.loads(moved), "promote_as": "lamquant-joint@synthetic-now"}

    def blut(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "BLUT_TRAIN_POLICY": str(self.root / "train-policy.toml"),
            "OMP_NUM_THREADS": "1",
        }
        return server(*RUN).run([*BLUT[1:], *words], environment, self.root)

    def read(self, *words: str) -> str:
        done = self.blut(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr[-4000:]}"
        return done.stdout

    def open(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home))

    def contents(self) -> dict[str, bytes]:
        """Every file of the home but those that are written whenever a home is somewhere else."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        named = {path.relative_to(self.home).as_posix(): path for path in files}
        return {name: path.read_bytes() for name, path in named.items() if not name.startswith(STAMPS)}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    with pytest.MonkeyPatch.context() as patch:
        made = Old(tmp_path_factory.mktemp("7335f91"), "7335f91.tar.xz")
        patch.setenv("DAGSTER_HOME", str(made.home))
        patch.delenv("BLUT_STORE", raising=False)
        yield made


def test_every_command_that_reads_finds_what_was_made_then_and_changes_nothing(old: Old) -> None:
    runs, made, before = old.facts["runs"], old.facts["made"], old.contents()
    computed, reused, refused = runs
    listed = {row["id"]: row["state"] for row in json.loads(old.read("jobs", "--json"))}
    assert listed == {run: state.lower() for run, state in runs.items()}
    opened = old.contents()
    changed = {name for name in {*before, *opened} if before.get(name) != opened.get(name)}
    assert not [name for name in changed if not name.startswith(OPENING)]

    came_to = json.loads(old.read("results", computed, "--json"))
    digests = {row["asset"].removeprefix("lamquant/"): row["digest"] for row in came_to["artifacts"]}
    assert digests.items() >= made.items()
    again = json.loads(old.read("results", reused, "--json"))["artifacts"]
    taken = {row["asset"].removeprefix("lamquant/") for row in again if row["result"] == "reused"}
    assert taken == made.keys() - {"recordings"}
    assert "pccp_gate: FAILED" in old.read("results", refused)
    assert "pccp_gate FAILED" in old.read("log", refused)
    assert "epoch 2" in old.read("log", computed)
    assert "strict.yaml" in old.read("runs", "diff", computed, refused)
    promoted = old.facts["promoted"]["lamquant-joint@made"]
    assert f"made -> {promoted[:12]}" in old.read("model", "list")
    assert promoted in old.read("model", "show", "lamquant-joint@made")
    assert "promote" in old.read("model", "history", "lamquant-joint")
    kept = {row["digest"] for row in json.loads(old.read("cache", "show", "--all", "--json"))["artifacts"]}
    assert kept >= {*made.values()}
    assert "recordings=3" in old.read("data", "list")
    assert f'instance = "{old.facts["place"]}/home"' in old.read("policy", "show")
    assert f"{old.home}, 3 runs" in old.read("doctor")

    assert old.contents() == opened
    planned = json.loads(old.read("plan", RECIPE, "--args", json.dumps(old.args), "--json"))
    digests = {row["asset"].removeprefix("lamquant/"): row["digest"] for row in planned}
    assert digests["recordings"] == made["recordings"]  # the files are known by what is in them, not where


def test_it_opens_by_the_names_that_its_dagster_yaml_has_until_something_is_made_in_it(old: Old) -> None:
    said = yaml.safe_load((old.home / "dagster.yaml").read_text())
    assert said["storage"]["custom"]["module"] == "blut_resources.instance_storage"
    assert said["compute_logs"]["module"] == "blut_resources.compute_logs"
    with old.open() as instance:
        assert isinstance(instance.run_storage, PooledRuns)
        assert isinstance(instance.compute_log_manager, LocalLogs)
        before = len(instance.get_runs())
    with open_instance() as instance:
        assert len(instance.get_runs()) == before
    said = yaml.safe_load((old.home / "dagster.yaml").read_text())
    assert said == {
        "python_logs": {"python_log_level": "INFO"},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }
    with old.open() as instance:
        assert type(instance.run_storage).__module__.startswith("dagster.")
        assert len(instance.get_runs()) == before


def test_the_codec_that_was_promoted_then_decodes_a_bitstream_of_then(old: Old) -> None:
    with old.open() as instance:
        store = store_of(instance)
        digest = ModelRegistry(store.root / "registry").resolve("lamquant-joint@made")
        assert digest == old.facts["promoted"]["lamquant-joint@made"]
        coder = load_checkpoint(store.open(digest)).coder
    for stem, facts in old.facts["decoded"].items():
        samples = coder.decode((old.root / "bitstreams" / f"{stem}.lqc").read_bytes())
        then = np.load(old.root / "decoded" / f"{stem}.npy")
        # the bitstream's integers are the same everywhere; the signal made of them is computed in float32
        assert samples.shape == then.shape and np.abs(samples - then).max() <= 1
        if torch.backends.cpu.get_cpu_capability() == old.facts["cpu"]:
            assert hashlib.sha256(samples.astype("<i4").tobytes()).hexdigest() == facts["sha256"]


@pytest.mark.heavy
def test_a_new_run_joins_the_old_ones(old: Old) -> None:
    command = ("recipe", "run", RECIPE, "--args", json.dumps(old.args))
    assert "succeeded: 5 computed, 0 reused" in old.read(*command)
    assert "succeeded: 0 computed, 5 reused" in old.read(*command)
    newest = json.loads(old.read("jobs", "--json"))[0]["id"]
    came_to = json.loads(old.read("results", newest, "--json"))["artifacts"]
    digests = {row["asset"].removeprefix("lamquant/"): row["digest"] for row in came_to}
    assert digests["recordings"] == old.facts["made"]["recordings"]
    with old.open() as instance:
        registry = ModelRegistry(store_of(instance).root / "registry")
        assert registry.resolve("lamquant-joint@made") == old.facts["promoted"]["lamquant-joint@made"]
        assert registry.resolve("lamquant-joint@synthetic-now") == digests["joint_checkpoint"]
        assert store_of(instance).verify(old.facts["made"]["joint_checkpoint"], full=True) is None
