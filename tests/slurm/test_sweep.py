"""A sweep whose trials are jobs: they are submitted as one array, and Slurm is asked once for all of them."""

import time

from tests.e2e.box import BLUT
from tests.slurm.scene import SlurmScene

TRIALS, FAILING = 8, 3


def sweep(trials: int) -> list[str]:
    axes = ["--sweep", f"epochs=range(1,{trials + 1})", "--set", "launcher=cluster", "--jobs", str(trials)]
    return [*BLUT, "recipe", "run", "contained", *axes]


def arrays(scene: SlurmScene) -> list[int]:
    """How many jobs each sbatch has submitted."""
    options = [line.partition("--array=")[2].split(" ")[0] for line in scene.asked_of("sbatch")]
    return [len(numbers.split(",")) if numbers else 1 for numbers in options]


def test_one_array_for_all_trials_and_one_for_those_that_failed(scene: SlurmScene) -> None:
    scene.behave(exit=3, exit_above=TRIALS - FAILING)
    begun = time.monotonic()
    assert scene.run(sweep(TRIALS)) == 1, scene.said()
    took = time.monotonic() - begun
    assert arrays(scene) == [TRIALS], scene.said()
    assert scene.starts() == TRIALS and f"{FAILING} failed" in scene.said()
    assert len(scene.asked_of("squeue")) <= took / 2 + 1, "one look for all of them, every two seconds"
    (record,) = scene.home.glob("sweeps/*")
    scene.behave()
    assert scene.run([*BLUT, "sweep", "resume", record.name[:8]]) == 0, scene.said()
    assert arrays(scene) == [TRIALS, FAILING] and scene.starts() == FAILING
    assert scene.held() == []
