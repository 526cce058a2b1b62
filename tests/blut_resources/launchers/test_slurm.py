"""What Slurm is asked for, and what is made of its answers, by commands that only say what they were told."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment.limits import Limits
from blut_resources.launchers import slurm
from blut_resources.launchers.base import LaunchRefused, Order, OrderedJob
from blut_resources.launchers.profiles import Profile
from blut_resources.launchers.scheduler import Busy
from blut_resources.launchers.slurm import Slurm
from blut_resources.launchers.transport import NoAnswer
from blut_resources.leases.lease import Needs

NODES = "gpu*|g1|64000|16|gpu:a100:4(S:0-1)\ngpu*|g2|128000|32|gpu:a100:2\ncpu|c1|32000|8|(null)\n"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a command on the PATH that says what it is given, and notes how it was called."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    slurm._nodes.cache_clear()

    def put(name: str, said: str = "", status: int = 0, wait_s: float = 0) -> Path:
        script = tmp_path / name
        (tmp_path / f"{name}.said").write_text(said)
        out = "cat" if status == 0 else "cat >&2"
        script.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/{name}.asked\nenv >{tmp_path}/{name}.env\n'
            f"sleep {wait_s}\n{out.replace('cat', f'cat {tmp_path}/{name}.said', 1)}\nexit {status}\n"
        )
        script.chmod(0o755)
        return tmp_path / f"{name}.asked"

    return put


def order(place: Path, limits: Limits | None = None, ends_s: float | None = None, **needs: int) -> Order:
    wanted = Needs(**needs)
    job = OrderedJob("m", "f" * 40, "run", place, {}, wanted, variables=["A_TOKEN"], ends_s=ends_s)
    env = {"A_TOKEN": "hidden, as it is", "LANG": "C"}
    return Order(["python"], env, place, limits or Limits(), place, "book/asset name", 10.0, job=job)


def asked(file: Path) -> dict[str, str]:
    words = [word.partition("=") for word in file.read_text().splitlines()]
    return {name: value for name, _, value in words}


def test_what_a_stage_declares_becomes_options(command: Any, tmp_path: Path) -> None:
    file = command("sbatch", "4711\n")
    profile = Profile(kind="slurm", partition="gpu", gres="gpu:a100", account="lab", options=("--nice=7",))
    limits = Limits(memory_max=1 << 30, wall_clock_s=3600)
    given = order(tmp_path, limits, gpus=2, cpus=6)
    assert Slurm(profile).submit(given, "#!/bin/sh\n", "blut:x", ["A_TOKEN"]) == "4711"
    said = asked(file)
    assert said["--mem"] == "1088M" and said["--cpus-per-task"] == "6" and said["--gres"] == "gpu:a100:2"
    assert said["--time"] == "63", "as long as the payload may, its grace period, and two minutes"
    assert said["--signal"] == "B:USR1@40"
    assert (said["--partition"], said["--account"], said["--nice"]) == ("gpu", "lab", "7")
    assert said["--job-name"] == "blut-book-asset-name" and said["--comment"] == "blut:x"
    assert "--qos" not in said and "--requeue" in said
    assert "hidden" not in file.read_text()
    assert "A_TOKEN=hidden, as it is" in file.with_suffix(".env").read_text()


@pytest.mark.parametrize(
    ("profile", "given", "memory", "minutes"),
    [
        ({}, {}, None, None),
        ({"mem": "4G", "time": "8h"}, {}, "4096M", "480"),
        ({"mem": "4G"}, {"memory": 1 << 30}, "4096M", None),
        ({}, {"memory": 8 << 30}, "10304M", None),
        ({"time": "8h"}, {"ends_s": 600.0}, None, "13"),
    ],
)
def test_where_nothing_limits_it_the_profile_and_what_it_took_before_do(
    command: Any, tmp_path: Path, profile: dict[str, str], given: Any, memory: str | None, minutes: str | None
) -> None:
    file = command("sbatch", "1\n")
    Slurm(Profile(kind="slurm", **profile)).submit(order(tmp_path, **given), "", "c", [])  # type: ignore[arg-type]
    assert (asked(file).get("--mem"), asked(file).get("--time")) == (memory, minutes)


@pytest.mark.parametrize(
    ("profile", "given", "said"),
    [
        ({}, {"limits": Limits(memory_max=200 << 30)}, "the largest node of partition gpu, g2, has 125 GiB"),
        (
            {"partition": "cpu"},
            {"limits": Limits(memory_max=64 << 30)},
            "the largest node of partition cpu, c1",
        ),
        ({"partition": "cpu,gpu"}, {"limits": Limits(memory_max=64 << 30)}, ""),
        ({"partition": "cpus"}, {}, "no such partition (did you mean 'cpu'?); there are cpu, gpu"),
        ({"cpus": 48}, {}, "asks for 48 CPUs, and no node of partition gpu has more than 32 (g2)"),
        (
            {"gres": "gpu:a100"},
            {"gpus": 8},
            "asks for 8 GPUs, and no node of partition gpu has more than 4 (g1)",
        ),
        ({"partition": "cpu"}, {"gpus": 1}, "asks for 1 GPUs, and no node of partition cpu has more than 0"),
        ({}, {"gpus": 4}, ""),
    ],
)
def test_what_no_node_can_ever_run_is_refused_with_figures(
    command: Any, tmp_path: Path, profile: dict[str, Any], given: Any, said: str
) -> None:
    command("sinfo", NODES)
    found = Slurm(Profile(kind="slurm", **profile)).refuse(order(tmp_path, **given))
    assert said in found and bool(said) is bool(found)


def test_a_cluster_that_does_not_say_what_it_has_refuses_nothing(command: Any, tmp_path: Path) -> None:
    command("sinfo", "sinfo: error: slurm_load_node: Unable to contact slurm controller", status=1)
    assert Slurm(Profile(kind="slurm")).refuse(order(tmp_path, Limits(memory_max=1 << 45))) == ""


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates"
        " accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    ],
)
def test_what_may_be_taken_later_is_busy(command: Any, tmp_path: Path, said: str) -> None:
    command("sbatch", said, status=1)
    with pytest.raises(Busy, match="sbatch: error"):
        Slurm(Profile(kind="slurm")).submit(order(tmp_path), "", "c", [])


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination"
        " specified",
        "sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job submission"
        " failed: Requested node configuration is not available",
        "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job"
        " violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    ],
)
def test_what_is_never_taken_is_told_in_the_words_of_slurm(command: Any, tmp_path: Path, said: str) -> None:
    command("sbatch", said, status=1)
    with pytest.raises(LaunchRefused) as refused:
        Slurm(Profile(kind="slurm")).submit(order(tmp_path), "", "c", [])
    assert said.replace("\n", "; ") in str(refused.value)


def test_a_look_tells_what_is_missing_from_what_has_ended(command: Any) -> None:
    command(
        "squeue",
        "7|PENDING|Priority||0|2026-12-01T08:00:00|0|\n8|RUNNING|None|n1|1|2026-12-01T07:00:00|0|\n"
        "9|OUT_OF_MEMORY|OutOfMemory|n2|0|N/A|9|\n10|PENDING|BeginTime||2|N/A|0|\n"
        "12|FAILED|NonZeroExitCode|n1|0|N/A|24576|\n",
    )
    found = Slurm(Profile(kind="slurm")).look(["7", "8", "9", "10", "11", "12"])
    assert [found[job].state for job in ("7", "8", "9", "10", "11", "12")] == [
        *("waiting", "running", "ended", "waiting", "unknown", "ended")
    ]
    assert (found["9"].status, found["12"].status) == (None, 96), "as wait(2) gives it"
    assert found["7"].reason == "Priority, starts at 2026-12-01T08:00:00"
    assert (found["8"].node, found["8"].restarts, found["10"].reason) == ("n1", 1, "BeginTime")


def test_a_controller_that_hangs_is_given_up(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "LOOK_S", 0.2)
    command("squeue", wait_s=20)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="squeue has said nothing for"):
        Slurm(Profile(kind="slurm")).look(["1"])
    assert time.monotonic() - began < 5


def test_a_job_around_this_process_does_not_change_what_is_asked(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    monkeypatch.setenv("SBATCH_PARTITION", "elsewhere")
    file = command("sbatch", "1\n")
    Slurm(Profile(kind="slurm")).submit(order(tmp_path), "", "c", [])
    env = file.with_suffix(".env").read_text()
    assert "SLURM_MEM_PER_NODE" not in env and "SBATCH_PARTITION" not in env
