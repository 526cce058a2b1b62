"""Sweeps under fire: killed, interrupted, on two GPUs, with trials that fail in every way."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blut_assets.sweeps.record import SweepRecord, Trial, records
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, alive, until
from tests.installed import install

pytestmark = [pytest.mark.e2e]
INTERRUPTED = 130


class SweptScene(Scene):
    """A scene whose cookbook is `tests.swept`, with a log of what its payloads did."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.payloads = root / "payloads.jsonl"
        install(root / "site", "swept", "tests.swept")
        self.env |= {"BLUT_PAYLOAD_ENV": "SWEPT_LOG", "SWEPT_LOG": str(self.payloads)}
        self.env |= {"BLUT_ALERTS": str(root / "alerts.toml")}

    def sweep(self, *words: str) -> list[str]:
        """The command of a sweep."""
        return [*BLUT, "recipe", "run", "swept", *words]

    def did(self, what: str = "start", name: str = "model") -> list[dict[str, Any]]:
        """What payloads have noted."""
        lines = self.payloads.read_text().splitlines() if self.payloads.exists() else []
        return [one for line in lines if (one := json.loads(line))["what"] == what and one["name"] == name]

    def record(self) -> SweepRecord:
        """The newest sweep."""
        return records(self.home)[0]

    def trials(self) -> list[Trial]:
        """Its trials."""
        return [*self.record().trials().values()] if records(self.home) else []

    def outcomes(self) -> Counter[str]:
        """How they stand."""
        return Counter(one.outcome or one.state for one in self.trials())


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[SweptScene]:
    scene = SweptScene(tmp_path / "scene")
    yield scene
    scene.close()


def killed_and_resumed(scene: SweptScene, words: list[str], total: int, at: int, jobs: int) -> None:
    """Kill whoever leads and one worker at some trial; the same command then computes what is missing."""
    command = scene.sweep(*words, "--set", "seconds=0.2", "--jobs", str(jobs))
    first = scene.start(command)
    until(lambda: scene.outcomes()["succeeded"] >= at and scene.outcomes()["running"], process=first)
    leader, worker = scene.record().leader(), next(one for one in scene.trials() if one.state == "running")
    assert leader and leader.pid != worker.worker
    os.kill(leader.pid, signal.SIGKILL)
    os.kill(worker.worker, signal.SIGKILL)
    first.wait()
    begun = scene.outcomes()
    assert begun["succeeded"] < total
    assert scene.run(command) == 0, scene.said()
    assert scene.outcomes() == {"succeeded": total}
    assert len(scene.did(name="shared")) == 1
    assert total <= len(scene.did()) <= total + jobs
    counted = Counter((one["lr"], one["seed"], one["width"]) for one in scene.did("end"))
    assert len(counted) == total and not scene.held()
    listed = scene.blut("jobs", "--json").stdout
    assert [(row["state"], row["progress"].split(",")[0]) for row in json.loads(listed)] == [
        ("success", f"{total}/{total}")
    ]


def test_the_same_command_goes_on_with_a_sweep_whose_processes_were_killed(scene: SweptScene) -> None:
    killed_and_resumed(scene, ["--sweep", "lr=1,2", "--sweep", "seed=range(3)"], 6, 2, 2)


@pytest.mark.heavy
def test_of_27_trials_none_that_had_finished_is_computed_again(scene: SweptScene) -> None:
    axes = ["--sweep", "lr=1e-5,1e-4,1e-3", "--sweep", "seed=range(3)", "--sweep", "width=1,2,4"]
    killed_and_resumed(scene, axes, 27, 9, 3)


@pytest.mark.heavy
def test_a_killed_worker_costs_one_trial_and_another_takes_its_place(scene: SweptScene) -> None:
    command = scene.sweep("--sweep", "seed=range(4)", "--set", "seconds=0.5", "--jobs", "1")
    process = scene.start(command)
    until(lambda: scene.did(), process=process)
    os.kill(next(one for one in scene.trials() if one.state == "running").worker, signal.SIGKILL)
    assert process.wait() == 1
    assert scene.outcomes() == {"succeeded": 3, "lost": 1}
    assert "was killed by SIGKILL" in scene.said() and "1 lost with their worker" in scene.said()


@pytest.mark.heavy
def test_an_oom_a_divergence_and_a_refusal_stop_no_other_and_are_one_alert(scene: SweptScene) -> None:
    told = scene.root / "told.jsonl"
    (scene.root / "alerts.toml").write_text(f'[[hook]]\nname = "log"\nfile = "{told}"\n')
    done = scene.blut(
        *scene.sweep("--sweep", "mood=well,oom,diverge,bad,fine", "--jobs", "2")[len(BLUT) :],
        *("--set", "limits.memory_max=200M"),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert scene.outcomes() == {"succeeded": 2, "failed": 2, "refused": 1}
    why = {one.overrides["mood"]: one.why for one in scene.trials()}
    assert "memory" in why["oom"] and "nan" in why["diverge"] and "a floor was missed" in why["bad"]
    for mood in ("oom", "diverge", "bad"):
        assert f"mood={mood}" in done.stdout and why[mood][:40] in done.stdout
    alerts = [json.loads(line) for line in told.read_text().splitlines()]
    assert len(alerts) == 1 and alerts[0]["job"] == "swept"
    assert all(f"mood={mood}) " in alerts[0]["message"] for mood in ("oom", "diverge", "bad"))
    assert "mood=well" not in alerts[0]["message"]
    scene.blut("jobs")
    assert len(told.read_text().splitlines()) == 1, "told once"
    best = scene.blut("sweep", "best", scene.record().id, "--json")
    assert json.loads(best.stdout)["args"]["mood"] in ("well", "fine")


def test_one_interrupt_ends_what_is_at_work_and_begins_no_more(scene: SweptScene) -> None:
    process = scene.start(scene.sweep("--sweep", "seed=range(4)", "--set", "seconds=30", "--jobs", "2"))
    until(lambda: len(scene.did()) == 2, process=process)
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == INTERRUPTED and time.monotonic() - begun < 20
    assert scene.outcomes() == {"cancelled": 2, "waiting": 2}
    assert "no trial begins any more" in scene.said() and "time for a checkpoint" in scene.said()
    assert not [one for one in scene.did() if alive(one["pid"])]


@pytest.mark.heavy
def test_a_second_interrupt_leaves_no_time_and_a_hang_up_is_an_interrupt(scene: SweptScene) -> None:
    scene.env["BLUT_GRACE_S"] = "60"
    words = ["--sweep", "seed=range(3)", "--set", "seconds=90", "--set", "mood=deaf", "--jobs", "2"]
    process = scene.start(scene.sweep(*words))
    until(lambda: len(scene.did()) == 2, process=process)
    os.kill(process.pid, signal.SIGHUP)
    until(lambda: "no trial begins any more" in scene.said(), process=process)
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == INTERRUPTED and time.monotonic() - begun < 40
    assert scene.outcomes() == {"cancelled": 2, "waiting": 1} and not scene.unfinished()
    assert not [one for one in scene.did() if alive(one["pid"])]


@pytest.mark.heavy
def test_what_had_failed_is_left_alone_if_that_is_asked_for(scene: SweptScene) -> None:
    words = scene.sweep("--sweep", "mood=well,diverge")[len(BLUT) :]
    assert scene.blut(*words).returncode == 1
    left = scene.blut(*words, "--retry-failed", "no")
    assert left.returncode == 1 and len(scene.did()) == 2, left.stdout + left.stderr
    resumed = scene.blut("sweep", "resume", scene.record().id)
    assert resumed.returncode == 1 and len(scene.did()) == 3, resumed.stdout + resumed.stderr


@pytest.mark.heavy
def test_no_trial_begins_after_a_deadline_on_the_clock(scene: SweptScene) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 15))
    words = ["--sweep", "seed=range(40)", "--set", "seconds=3", "--jobs", "1", "--set", f"deadline={at}"]
    done = scene.blut(*scene.sweep(*words)[len(BLUT) :])
    assert done.returncode == 124, done.stdout + done.stderr
    outcomes = scene.outcomes()
    assert outcomes["waiting"] > 30 and outcomes["deadline"] <= 1 and outcomes["succeeded"] >= 1


@pytest.mark.heavy
def test_a_detached_sweep_is_cancelled_from_elsewhere(scene: SweptScene) -> None:
    words = scene.sweep("--sweep", "seed=range(4)", "--set", "seconds=30")[len(BLUT) :]
    told = json.loads(scene.blut(*words, "--jobs", "2", "--detach", "--json").stdout)
    assert told["sweep"] == scene.record().id
    until(lambda: len(scene.did()) == 2, 60)
    again = scene.blut(*words)
    assert again.returncode == 1 and "is at work already" in again.stderr
    ended = scene.blut("cancel", told["sweep"][:6])
    assert ended.returncode == 0 and "2 cancelled, 2 not begun" in ended.stdout, ended.stdout + ended.stderr
    assert not alive(told["pid"]) or until(lambda: not alive(told["pid"]))
    assert not [one for one in scene.did() if alive(one["pid"])]


@pytest.mark.heavy
def test_two_gpus_have_one_payload_each_however_many_trials_run(scene: SweptScene) -> None:
    scene.env |= {"BLUT_GPUS": "0:8G,1:8G", "BLUT_LEASE_CPUS": "8"}
    axes = ["--sweep", "seed=range(6)", "--set", "gpus=1", "--set", "seconds=0.3", "--jobs", "8"]
    done = scene.blut(*scene.sweep(*axes)[len(BLUT) :])
    assert done.returncode == 0, done.stdout + done.stderr
    spans = {one["seed"]: [one["gpu"], one["t"]] for one in scene.did()}
    for one in scene.did("end"):
        spans[one["seed"]].append(one["t"])
    assert {gpu for gpu, _, _ in spans.values()} == {"0", "1"}
    for gpu in ("0", "1"):
        mine = sorted((begun, ended) for card, begun, ended in spans.values() if card == gpu)
        assert all(before[1] <= after[0] for before, after in pairwise(mine))
    assert not scene.held()
