"""How jobs end: the words, the figures and the second tries are those of a payload on this machine."""

import json
import shlex
import signal
import sys
import time
from typing import Any

import pytest

from tests.e2e.scene import until
from tests.slurm.scene import SlurmScene

LIMIT = {"memory_max": "150M"}


def failed(scene: SlurmScene, **args: Any) -> str:
    """What is said of a run that fails."""
    assert scene.run(scene.job(**args)) == 1, scene.said()
    return scene.said()


def memories(scene: SlurmScene) -> list[str]:
    return [
        word.partition("=")[2]
        for line in scene.asked.read_text().splitlines()
        for word in line.split()
        if word.startswith("--mem=")
    ]


def test_its_own_limit_is_told_and_raised_where_that_is_allowed(scene: SlurmScene) -> None:
    scene.behave(mib=300)
    said = failed(scene, limits=LIMIT)
    assert "killed at 150 MiB, because its memory limit of 150 MiB was reached" in said
    assert scene.run(scene.job(limits={**LIMIT, "oom_retry_up_to": "500M"})) == 0, scene.said()
    assert memories(scene) == ["214M", "214M", "564M"], "what a job gets follows the limit"
    assert scene.metadata()["memory_max"] == 500 << 20


def test_a_job_that_is_too_small_is_told_from_a_limit_of_ones_own(scene: SlurmScene) -> None:
    scene.env["TRAINS_FOOTPRINT"] = ""
    scene.profile(mem="100M")
    scene.behave(mib=300)
    said = failed(scene)
    assert "without a limit of its own, because the machine or a group around it ran out of memory" in said
    assert memories(scene) == ["100M"]


def test_an_agent_that_is_killed_for_memory_is_told_and_asked_for_again_with_more(scene: SlurmScene) -> None:
    """What fills the job beside it cannot be killed, so all else is: nobody is left to say how it ended."""
    fills = scene.root / "fills"
    hog = "import time; kept = bytearray(90 << 20); kept[::4096] = b'x' * len(kept[::4096]); time.sleep(60)"
    lines = ["#!/bin/sh", f"echo -1000 >/proc/self/oom_score_adj; {sys.executable} -c {shlex.quote(hog)} &"]
    fills.write_text(
        "\n".join([*lines, "echo 1000 >/proc/self/oom_score_adj", f'exec {sys.executable} "$@"', ""])
    )
    fills.chmod(0o755)
    scene.profile(python=str(fills))
    scene.behave(epoch_s=2.0)
    limits = {"memory_max": "16M", "oom_retry_up_to": "500M"}
    assert scene.run(scene.job(limits=limits)) == 0, scene.said()
    assert memories(scene) == ["80M", "564M"], "what a job gets follows the limit"
    assert "the memory of its job, 80 MiB, was all used" in scene.said()


@pytest.mark.parametrize(
    ("how", "limits", "said"),
    [
        ({"exit": 3}, LIMIT, "tests.payloads.trains: exit status 3"),
        ({"hang": True}, {"wall_clock": "1s"}, "its wall-clock limit was reached (it ran for 1 s)"),
    ],
)
def test_other_ends_have_their_usual_words(
    scene: SlurmScene, how: dict[str, Any], limits: dict[str, str], said: str
) -> None:
    scene.behave(**how)
    assert said in failed(scene, limits=limits)


def test_a_cancelled_job_has_its_last_words_and_goes_on_from_there(scene: SlurmScene) -> None:
    scene.behave(hang=True, last_words_s=0.5, last_epoch=7)
    process = scene.start(scene.job(epochs=3))
    until(lambda: scene.happened("epoch-2"), process=process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, scene.said()
    assert scene.happened("saved"), "it had its grace period"
    stream = next(scene.home.glob("runs/*/status.jsonl")).read_text().splitlines()
    assert [e["epoch"] for e in map(json.loads, stream) if e["kind"] == "epoch"][-1] == 7
    scene.behave()
    assert scene.run(scene.job(epochs=3)) == 0, scene.said()
    assert scene.happened("resumed-at-3")


def test_blut_cancel_ends_the_job_and_one_that_waits(scene: SlurmScene) -> None:
    scene.profile(options=["--begin=now+1hour"])
    process = scene.start(scene.job())
    until(lambda: "waiting: BeginTime" in scene.blut("jobs").stdout, process=process)
    began = time.monotonic()
    run = json.loads(scene.blut("jobs", "--json").stdout)[0]["id"]
    assert scene.blut("cancel", run).returncode == 0
    assert process.wait(60) == 130, scene.said()
    assert time.monotonic() - began < 20
    newest = max(scene.cluster.all_jobs(), key=lambda line: int(line.split()[0]))
    assert newest.endswith(" CANCELLED") and scene.starts() == 0


def test_a_job_that_somebody_else_cancels_is_cancelled(scene: SlurmScene) -> None:
    scene.behave(hang=True)
    process = scene.start(scene.job())
    until(lambda: scene.happened("epoch-2"), process=process)
    scene.cluster.run("scancel", "--user=root")
    assert process.wait(60) == 1
    assert "cancelled (the scheduler says CANCELLED" in scene.said()


def test_the_time_of_the_queue_is_a_timeout(scene: SlurmScene) -> None:
    """The scheduler's smallest time is a minute, so the signal that it would send is sent by hand."""
    scene.behave(hang=True)
    scene.profile(time="5m")
    process = scene.start(scene.job())
    until(lambda: scene.happened("epoch-2"), process=process)
    scene.cluster.run("scancel", "--batch", "--signal=USR1", "--user=root")
    assert process.wait(60) == 1
    assert "its wall-clock limit was reached (the time that its job was given is over)" in scene.said()
    submitted = next(line for line in scene.asked.read_text().splitlines() if line.startswith("sbatch"))
    assert "--time=5 " in submitted and "--signal=B:USR1@32 " in submitted


def test_a_deadline_ends_a_job_that_waits_and_one_that_works(scene: SlurmScene) -> None:
    scene.profile(options=["--begin=now+1hour"])
    assert scene.run(scene.job(deadline="3s")) == 124, scene.said()
    scene.profile()
    scene.behave(hang=True)
    assert scene.run(scene.job(deadline="6s")) == 124, scene.said()
    assert scene.happened("stopped")
