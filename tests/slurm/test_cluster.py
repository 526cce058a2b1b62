"""The Slurm of the tests: three machines that are not this one, can be broken, and leave nothing."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.cluster import CGROUPS, NODES, Cluster, sweep, until

READ_BOOT = "hostname; cat /proc/sys/kernel/random/boot_id; echo $$"


def test_nodes_are_machines_of_their_own(cluster: Cluster) -> None:
    jobs = [cluster.submit(READ_BOOT, "-w", node, "--mem=50") for node in NODES]
    for job in jobs:
        cluster.until_job(job, "COMPLETED")
    said = [Path(cluster.dir / f"job.{job}").read_text().split() for job in jobs]
    assert [name for name, *_ in said] == list(NODES)
    here = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert len({here, *(boot for _, boot, _ in said)}) == 4


def test_a_cut_node_leaves_its_processes_alive_until_it_is_healed(cluster: Cluster) -> None:
    job = cluster.submit("exec sleep 4711", "-w", "n3", "--mem=50")
    cluster.until_job(job, "RUNNING")
    until(lambda: "sleep 4711" in cluster.processes("n3"), 10, "the job has begun")
    cluster.cut_node("n3")
    assert "sleep 4711" in cluster.processes("n3") and "sleep 4711" not in cluster.processes("n1")
    cluster.heal()
    assert cluster.states() == dict.fromkeys(NODES, "idle")
    assert not [words for words in cluster.processes() if words == "sleep 4711"]


def test_the_controller_comes_back_with_what_it_knew(cluster: Cluster) -> None:
    job = cluster.submit("exec sleep 4712", "--mem=50")
    cluster.until_job(job, "RUNNING")
    cluster.kill_controller(signal.SIGTERM)
    cluster.start_controller()
    until(lambda: cluster.job(job).get("JobState") == "RUNNING", 30, "the job is known again", 0.2)


def test_a_job_is_killed_at_its_memory(cluster: Cluster) -> None:
    if cluster.mode != "cgroup":
        pytest.skip("no cgroups that a Slurm of this age can use")
    hog = f"{sys.executable} -c 'import time; held = b\"x\" * (200 << 20); time.sleep(5)'"
    assert cluster.until_job(cluster.submit(hog, "--mem=60"), "OUT_OF_MEMORY", "COMPLETED") == "OUT_OF_MEMORY"


def test_nothing_is_left_of_a_session_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.slurm.cluster import Cluster;"
        "c = Cluster(Path(sys.argv[1])); c.boot();"
        "print(c.submit('exec sleep 4713', '--mem=50'), flush=True); time.sleep(600)"
    )
    shared = tmp_path / "other"
    with subprocess.Popen([sys.executable, "-c", script, str(shared)], stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        until(lambda: _commands("sleep 4713"), 30, "its job runs", 0.2)
        other.send_signal(signal.SIGKILL)
    until(lambda: not _commands("sleep 4713") and not _commands(str(shared)), 10, "nothing is left", 0.2)
    sweep()
    assert not list(CGROUPS.glob(f"*/blut-slurm-{other.pid}"))


def _commands(words: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [line] if words in line else []
    return found
