"""A sweep whose trials are jobs: each is submitted once, and Slurm is asked once for all of them."""

import time

import pytest

from tests.e2e.box import BLUT
from tests.slurm.scene import SlurmScene

TRIALS = 12
REFUSES = """\
case $(grep -c ^sbatch {asked}) in
    3|5|7) echo "sbatch: error: Invalid account or account/partition combination specified" >&2; exit 1;;
esac"""


@pytest.mark.heavy
def test_three_trials_fail_and_the_same_command_submits_those(scene: SlurmScene) -> None:
    axes = ["--sweep", f"epochs=range(1,{TRIALS + 1})", "--set", "launcher=cluster", "--jobs", "4"]
    command = [*BLUT, "recipe", "run", "contained", *axes]
    scene.put_command("sbatch", REFUSES.format(asked=scene.asked))
    begun = time.monotonic()
    assert scene.run(command) == 1, scene.said()
    took = time.monotonic() - begun
    assert scene.submitted() == TRIALS and scene.starts() == TRIALS - 3, scene.said()
    assert len(scene.asked_of("squeue")) <= took / 1.5 + 2, "not one for each trial"
    scene.put_command("sbatch")
    assert scene.run(command) == 0, scene.said()
    assert scene.submitted() == TRIALS + 3 and scene.starts() == TRIALS
