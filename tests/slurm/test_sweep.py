"""A sweep whose trials are jobs: they are submitted as one array, and Slurm is asked once for all of them."""

import json
import shlex
import time

import pytest

from tests.e2e.box import BLUT
from tests.e2e.scene import until
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
    asked = scene.asked_of("squeue")
    looks = [one for one in asked if "State:" in one]
    assert len(looks) <= took / 2 + 1, "one look for all of them, every two seconds"
    assert len(asked) - len(looks) <= TRIALS, "and each has asked once whether it has a job already"
    (record,) = scene.home.glob("sweeps/*")
    scene.behave()
    assert scene.run([*BLUT, "sweep", "resume", record.name[:8]]) == 0, scene.said()
    assert arrays(scene) == [TRIALS, FAILING] and scene.starts() == FAILING
    assert scene.held() == []


KILLS_ALL = """\
SLURM_CONF={conf} {real} "$@" >/dev/null
leader=$(ps -o ppid= -p $PPID)
kill -KILL $leader $(pgrep -P $leader)
exit 1"""


def test_all_are_killed_after_the_array_was_submitted_and_before_that_was_written_down(
    scene: SlurmScene,
) -> None:
    gate = scene.root / "gate"
    scene.behave(gate=str(gate))
    real = shlex.join(scene.cluster.command(["/usr/bin/sbatch"]))
    scene.put_command("sbatch", KILLS_ALL.format(conf=scene.cluster.dir / "etc/slurm.conf", real=real))
    assert scene.run(sweep(3)) != 0 and not list(scene.home.rglob("job.json"))
    scene.put_command("sbatch")
    until(lambda: scene.starts() == 3)
    process = scene.start(sweep(3))
    until(lambda: len(list(scene.home.rglob("job.json"))) == 3, process=process)
    gate.touch()
    assert process.wait() == 0, scene.said()
    assert arrays(scene) == [3] and scene.starts() == 3, "each has found its job in the array"


@pytest.mark.heavy
def test_one_trial_is_cancelled_and_then_the_sweep(scene: SlurmScene) -> None:
    scene.behave(gate=str(scene.root / "gate"))
    process = scene.start(sweep(TRIALS))
    until(lambda: scene.starts() == 6, process=process)  # as many as there are CPUs

    (record,) = scene.home.glob("sweeps/*")
    listed = ["jobs", "--json", "--sweep", record.name]

    def waiting() -> list[str]:
        said = [run["progress"] for run in json.loads(scene.blut(*listed).stdout)]
        return [one for one in said if one.startswith("waiting: Resources")]

    until(lambda: len(waiting()) == TRIALS - 6, process=process)
    assert all("_" in said.partition("(slurm job ")[2] for said in waiting()), "by its number in the array"
    jobs = {json.loads(path.read_text())["job"] for path in scene.home.rglob("job.json")}
    at_work = [one for one in json.loads(scene.blut(*listed).stdout) if "waiting" not in one["progress"]]
    assert scene.blut("cancel", at_work[0]["id"]).returncode == 0
    until(lambda: scene.starts() == 7, process=process)  # there is room for another
    states = dict(line.split() for line in scene.cluster.all_jobs())
    assert sum(states[job] in ("RUNNING", "PENDING") for job in jobs) == TRIALS - 1
    assert scene.blut("cancel", record.name).returncode == 0
    process.wait()
    assert arrays(scene) == [TRIALS]
    until(lambda: not [line for line in scene.cluster.all_jobs() if line.endswith(("RUNNING", "PENDING"))])
    saved = [line for line in scene.log.read_text().splitlines() if line.startswith("saved ")]
    assert len(saved) == scene.starts(), "each had time for its checkpoint"
