"""Temporary Dagster homes, and the main job in them."""

import contextlib
import json
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bench.measure import REPOSITORY, Run, python
from bench.startup import cli

CACHE = REPOSITORY / "build" / "bench"
"""What is worth keeping between runs: the downloaded sample, and the codec that was trained on it."""

OPEN_REGISTRY = """\
schema: blut.floor_registry.v1
version: 1.0.0
model: lamquant-joint
change_classes: [A.1]
split: test
each_recording: {min_r: 0.001, max_prdn: 100, min_cr: 0.001}
bands: {delta: {max_prd: 100, min_r: 0.000001}}
minima: {recordings: 1, patients: 1, samples: 1}
"""
"""Floors that any codec reaches, so that the whole of the main job runs in seconds of training."""

SMOKE = {
    "edf_root": "synthetic:subjects=3,seconds=30,seed=0",
    "val_fraction": 0.34,
    "test_fraction": 0.33,
    "preset": "smoke",
    "threads": 1,
    "workers": 1,
    "promote_as": "lamquant-joint@synthetic-bench",
}


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="blut-bench-") as name:
        yield Path(name)


def make_home(directory: Path) -> dict[str, str]:
    """A persistent instance, made if it is not there, and the environment that selects it."""
    directory.mkdir(parents=True, exist_ok=True)
    shipped = REPOSITORY / ".dagster" / "dagster.yaml"
    (directory / "dagster.yaml").write_text(shipped.read_text())
    return {"DAGSTER_HOME": str(directory), "BLUT_STORE": str(directory / "store"), "OMP_NUM_THREADS": "1"}


def smoke_args(directory: Path) -> dict[str, Any]:
    """Args of the main job on synthetic recordings, with floors that the smoke preset reaches."""
    registry = directory / "registry.yaml"
    registry.write_text(OPEN_REGISTRY)
    return {**SMOKE, "registry": str(registry)}


def main_job(env: dict[str, str], args: dict[str, Any], expect: Collection[int] | None = (0,)) -> Run:
    """The main job, as a user runs it."""
    code = cli("recipe", "run", "lamquant_joint_codec", "--args", json.dumps(args))
    return python(code, env=env, expect=expect)
