"""What runs on a node is what was ordered: its code, its environment, and no more of ours than that."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.slurm.scene import SlurmScene

PACKAGES = ("blut_resources", "blut_assets", "cookbooks", "sensors", "tests")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same source at another place, as nodes may have it."""
    place = tmp_path_factory.mktemp("nodes") / "blut"
    for name in PACKAGES:
        skipped = shutil.ignore_patterns("__pycache__", "homes", "uml")
        shutil.copytree(REPOSITORY / name, place / name, ignore=skipped)
    return place


def edit(file: Path) -> None:
    file.write_text(file.read_text() + "\n# an edit that nobody here has\n")


def test_another_checkout_with_the_same_code_makes_the_same(scene: SlurmScene, checkout: Path) -> None:
    scene.profile(checkout=str(checkout))
    scene.behave(show="PYTHONPATH")
    assert scene.run(scene.job()) == 0, scene.said()
    path = next(line for line in scene.log.read_text().splitlines() if line.startswith("PYTHONPATH="))
    assert str(checkout) in path and f"{REPOSITORY}{os.pathsep}" not in path.split()[0]


def test_other_code_is_refused_at_once_with_the_module_and_both_commits(
    scene: SlurmScene, checkout: Path
) -> None:
    edit(checkout / "tests" / "payloads" / "trains.py")
    scene.profile(checkout=str(checkout))
    assert scene.run(scene.job()) == 1
    said = scene.said()
    assert "tests.payloads.trains was not started" in said and str(checkout) in said
    assert f"tests.payloads.trains ({checkout}/tests/payloads/trains.py) is" in said
    assert "; the commit is " in said and scene.starts() == 0
    waited = [line for line in said.splitlines() if "trained: begins" in line or "trained: FAILED" in line]
    begun, ended = (time.strptime(line.split()[0], "%H:%M:%S") for line in waited[:2])
    assert time.mktime(ended) - time.mktime(begun) <= 6, "a busy machine gets three seconds more"


def test_another_environment_is_refused_where_the_profile_is_strict(
    scene: SlurmScene, tmp_path: Path
) -> None:
    """The node's torch is of a version that nobody here has."""
    (tmp_path / "torch-0.0.1.dist-info").mkdir()
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}:$PYTHONPATH exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    scene.profile(python=str(python), environment="strict")
    assert scene.run(scene.job()) == 1
    assert "the profile says environment = strict: torch is 0.0.1 there" in scene.said()
    scene.profile(python=str(python))
    assert scene.run(scene.job()) == 0
    assert "torch is 0.0.1 there" in scene.said(), "and else only said"


def test_no_file_holds_a_secret_and_the_payload_has_it(scene: SlurmScene) -> None:
    """The scheduler passes it on, which keeps it where only root looks."""
    gate = scene.root / "gate"
    scene.behave(show="TRAINS_API_KEY", gate=str(gate))
    extra = {"BLUT_PAYLOAD_ENV": "TRAINS*", "TRAINS_API_KEY": "a,b c=very-secret"}
    process = scene.start(scene.job(), **extra)
    while "epoch-0" not in scene.log.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    assert "TRAINS_API_KEY=a,b c=very-secret" in scene.log.read_text()
    held = [path for path in scene.home.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]
    gate.touch()
    assert process.wait(60) == 0 and held == []


@pytest.mark.parametrize(
    ("keys", "limits", "said"),
    [
        (
            {},
            {"memory_max": "900G"},
            "asks for 900.1 GiB of memory (memory_max of 900 GiB, and 64 MiB for what",
        ),
        ({"share": "/nowhere"}, {}, "is not below share=/nowhere, so its nodes would not see it"),
    ],
)
def test_what_can_never_run_is_not_submitted(
    scene: SlurmScene, keys: dict[str, str], limits: dict[str, str], said: str
) -> None:
    scene.profile(**keys)
    assert scene.run(scene.job(limits=limits, retries=3)) == 1
    assert said in scene.said() and scene.submitted() == 0


def test_what_slurm_refuses_is_said_in_its_words_and_not_tried_again(scene: SlurmScene) -> None:
    scene.profile(constraint="quantum")
    assert scene.run(scene.job(retries=3)) == 1
    assert "Slurm does not take its job: sbatch: error: " in scene.said()
    assert "Invalid feature specification" in scene.said() and scene.submitted() == 1


def test_nodes_run_from_a_copy_of_this_version_and_from_no_other(scene: SlurmScene) -> None:
    scene.profile(checkout=str(scene.root / "copies"))
    assert scene.run(scene.job()) == 1
    assert "`blut launch sync cluster`" in scene.said() and scene.submitted() == 0, scene.said()
    synced = scene.blut("launch", "sync", "cluster")
    assert synced.returncode == 0, synced.stderr
    assert scene.run(scene.job()) == 0, scene.said()
    assert scene.submitted() == 1 and scene.epochs() == [0, 1, 2]
