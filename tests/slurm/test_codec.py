"""The codec's whole chain as jobs: all that it makes is what this machine makes, gate and name included."""

from pathlib import Path

import dagster as dg
import pytest

from blut_assets.stages import reuse
from cookbooks.lamquant.samples.synthetic import write_synthetic
from tests.e2e.box import KEPT, Box
from tests.slurm.scene import SlurmScene

pytestmark = pytest.mark.heavy


def made(box: Box) -> dict[str, str]:
    found = {}
    with dg.DagsterInstance.from_config(str(box.home)) as instance:
        for name in KEPT:
            record = instance.get_latest_materialization_event(dg.AssetKey(["lamquant", name]))
            assert record and record.asset_materialization, name
            found[name] = reuse.digest_of(record.asset_materialization)
    return found


def test_all_of_it_is_the_same_and_a_second_run_submits_nothing(scene: SlurmScene, tmp_path: Path) -> None:
    boxes = {}
    for name in ("local", "cluster"):
        (tmp_path / name).mkdir()
        boxes[name] = Box(tmp_path / name)
    write_synthetic(boxes["local"].edf, 3, 30, 7, channels=("Fp1", "O2"))
    env = {name: scene.env[name] for name in ("PATH", "BLUT_LAUNCHERS")}
    for name, box in boxes.items():
        box.args |= {"edf_root": str(boxes["local"].edf), "launcher": name}
        done = box.blut(env={**box.environment(), **env})
        assert done.returncode == 0, done.stdout + done.stderr
    assert made(boxes["cluster"]) == made(boxes["local"])
    assert scene.submitted() >= len(KEPT), "each payload was a job"
    before = scene.submitted()
    box = boxes["cluster"]
    done = box.blut(env={**box.environment(), **env})
    assert done.returncode == 0 and scene.submitted() == before
