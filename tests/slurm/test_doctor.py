"""`blut doctor` has a line for each profile: what a node says that was asked."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.slurm.scene import SlurmScene


def line(scene: SlurmScene) -> dict[str, str]:
    said = scene.blut("doctor", "--json")
    rows = json.loads(said.stdout)
    (found,) = [row for row in rows if row["about"] == "launcher cluster"]
    return found


def test_nodes_that_see_the_share_and_this_code_are_ok(scene: SlurmScene) -> None:
    found = line(scene)
    assert found["state"] == "ok", found
    assert found["found"].startswith("Slurm, nodes: 3, at most CPU 2, memory ")
    assert not list(scene.root.rglob(".blut-probe-*"))
    scene.cluster.kill_controller()
    found = line(scene)
    assert (found["state"], found["remedy"]) == ("broken", "run on a login node, or check slurm.conf"), found


@pytest.mark.heavy
def test_a_partition_a_share_and_code_that_are_not_right_are_told_with_the_remedy(scene: SlurmScene) -> None:
    scene.profile(partition="nosuch")
    assert "Slurm: it takes no job" in line(scene)["found"]
    scene.profile(share=str(scene.root / "elsewhere"))
    assert "is not below share" in line(scene)["found"]
    other = Path(scene.root / "checkout")
    for name in ("blut_resources", "blut_assets"):
        shutil.copytree(REPOSITORY / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "blut_assets/paths.py").write_text("changed = True\n")
    scene.profile(checkout=str(other))
    found = line(scene)
    assert "has other code" in found["found"] and found["remedy"] == "blut launch sync cluster", found
