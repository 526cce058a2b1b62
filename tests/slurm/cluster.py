"""A Slurm of three nodes on this machine: booted, asked, broken and taken away by tests.

Each node, and the controller, is a machine of its own as far as a process can tell: processes, host name and
boot id are its own, the disk is shared, and the network goes no further than the loopback.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
NODES = ("n1", "n2", "n3")
BOOT_S = 60.0
SAVED_S = 6.0
"""Seconds within which the controller writes down what has changed: it does so every 5."""
CGROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd")
INSIDE = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "unshare", "nsenter", "setpriv", "ip")
OF_CGROUPS = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup"""
PLAIN = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainCores=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
AllowedSwapSpace=0
ConstrainDevices=no
"""


def missing() -> str:
    """What this machine lacks to boot one, with the remedy; empty if nothing."""
    if os.geteuid() != 0:
        return "Slurm's daemons in namespaces of their own take root"
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=_path())]:
        return f"{', '.join(absent)} is missing; apt-get install slurm-wlm munge iproute2"
    done = subprocess.run([*INSIDE, "--net", "true"], capture_output=True, text=True)
    return f"no namespaces can be made: {done.stderr.strip()}" if done.returncode else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def until(true: Callable[[], Any], seconds: float, what: str, pause_s: float = 0.05) -> Any:
    """What ``true`` returns as soon as it is something."""
    ends = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause_s)
    return found


class Cluster:
    """Slurm on machines of its own, in a directory that all of them share."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self.mode: Literal["cgroup", "plain"] = "plain"
        self._cgroup = f"blut-slurm-{os.getpid()}"
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}

    def boot(self) -> None:
        """Start all of it, and wait for three idle nodes.

        Raises:
            AssertionError: something does not come up; with the end of each log.
        """
        try:
            self._boot()
        except AssertionError as error:
            logs = sorted((self.dir / "log").iterdir())
            ends = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)
            raise AssertionError(f"{error}\n{ends}") from None

    def _boot(self) -> None:
        for name in ("state", "log", "etc", *(f"spool.{node}" for node in NODES)):
            (self.dir / name).mkdir(parents=True, mode=0o755)
        self._own_cgroup()
        self._configure()
        inside = [*INSIDE, "--net", *(["--cgroup"] if self.mode == "cgroup" else [])]
        words = [*inside, "bash", str(HERE / "machine.sh"), str(self.dir), self.mode]
        self._machine = self._start(words)
        self._first = until(lambda: _child(self._machine.pid), 10, "the machine's first process")
        until((self.dir / "ready").exists, 20, "the machine is up")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.until_idle()

    def until_idle(self) -> None:
        """Wait until each node can take jobs."""
        until(lambda: self.states() == dict.fromkeys(NODES, "idle"), BOOT_S, "three idle nodes", 0.1)

    def states(self) -> dict[str, str]:
        """What the controller says of each node."""
        said = self.run("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %t").stdout
        return dict(line.split()[:2] for line in said.splitlines())

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment in which Slurm's commands find this cluster."""
        return {**os.environ, "PATH": _path(), "SLURM_CONF": str(self.dir / "etc/slurm.conf"), **(more or {})}

    def command(self, words: Sequence[str], node: str = "", cwd: Path | str = "/") -> list[str]:
        """What runs a command on the machine of the controller, or on a node."""
        first = self._node_first(node) if node else self._first
        spaces = ["--net", "--pid", "--mount", "--uts", *(["--cgroup"] if self.mode == "cgroup" else [])]
        return [*self._joining(), "nsenter", "--target", str(first), *spaces, f"--wdns={cwd}", "--", *words]

    def popen(
        self, words: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | str = "/", **how: Any
    ) -> "Inside":
        """Start a command on the machine of the controller."""
        return Inside(self.command(words, cwd=cwd), env=self.env(env), **how)

    def run(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = "/",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """A command on the machine of the controller, to its end."""
        command = self.command(words, cwd=cwd)
        return subprocess.run(command, env=self.env(env), timeout=timeout, capture_output=True, text=True)

    def submit(self, script: str, *options: str) -> str:
        """The id of a job that runs a line of shell."""
        done = self.run("sbatch", "--parsable", f"--output={self.dir}/job.%j", *options, "--wrap", script)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, job: str) -> dict[str, str]:
        """What the controller knows of a job, by the names of scontrol."""
        said = self.run("scontrol", "-o", "show", "job", job).stdout
        return dict(word.split("=", 1) for word in said.split() if "=" in word)

    def until_job(self, job: str, *states: str, seconds: float = 60) -> str:
        """Wait until a job is in one of these states, and say in which."""
        return until(
            lambda: _one_of(self.job(job).get("JobState", ""), states), seconds, f"{job}: {states}", 0.2
        )

    def all_jobs(self) -> list[str]:
        """The id and state of each job that the controller remembers."""
        return self.run("squeue", "-h", "-r", "-t", "all", "-o", "%i %T").stdout.splitlines()

    def start_controller(self) -> None:
        """Start the controller; it takes up what it knew."""
        with (self.dir / "log/slurmctld.out").open("ab") as log:
            self.popen(["slurmctld", "-D"], stdout=log, stderr=log)

    def kill_controller(self, number: int = signal.SIGKILL) -> None:
        """End the controller: nobody answers any more.

        Killed, it would forget its last seconds, and give the number of a job of then to the next one: nodes
        take that for a second copy, and Slurm waits two minutes. So it has time to write down what runs.
        """
        if number == signal.SIGKILL and self.run("squeue", "-h").stdout:
            time.sleep(SAVED_S)
        self._kill("slurmctld", number=number)

    def start_node(self, node: str) -> None:
        """Boot a node."""
        words = [*INSIDE, "bash", str(HERE / "node.sh"), str(self.dir), node]
        self._nodes[node] = self._start(self.command(words))

    def cut_node(self, node: str) -> None:
        """Kill Slurm on a node, and nothing else: the processes of its jobs go on, unseen."""
        for name in ("slurmd", "slurmstepd"):
            self._kill(name, node)

    def stop_node(self, node: str) -> None:
        """Switch a node off: every process on it is gone."""
        os.kill(self._node_first(node), signal.SIGKILL)
        self._nodes[node].wait(20)

    def freeze_node(self, node: str, number: int = signal.SIGSTOP) -> None:
        """Stop every process of a node where it is."""
        for pid in self._pids_of(node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def thaw_node(self, node: str) -> None:
        """Let a frozen node go on."""
        self.freeze_node(node, signal.SIGCONT)

    def processes(self, node: str = "") -> list[str]:
        """The command lines of what runs on a node, or anywhere in the cluster."""
        return [_words(pid) for pid in self._pids_of(node) if _words(pid)]

    def heal(self) -> None:
        """Bring back what a test has broken, and end the jobs that it left."""
        if not self._found("slurmctld"):
            self.start_controller()
        self.run("scancel", "--user=root", "--signal=KILL", "--full")
        self.run("scancel", "--user=root")
        for node in NODES:
            if self._nodes[node].poll() is None:
                self.thaw_node(node)
                if not self._found("slurmd", node):
                    self.stop_node(node)
            if self._nodes[node].poll() is not None:
                self.start_node(node)
        self.run("scontrol", "update", "nodename=n[1-3]", "state=resume")
        self.until_idle()

    def close(self) -> None:
        """Take it away: processes, mounts, network and cgroups."""
        with contextlib.suppress(AttributeError):
            os.kill(self._first, signal.SIGKILL)
            self._machine.wait(20)
        for name in HIERARCHIES:
            for mine in (CGROUPS / name).glob(self._cgroup):
                _remove_cgroups(mine)
        sweep()

    def _own_cgroup(self) -> None:
        """Make a cgroup for all of it, where cgroups of the first version can be made."""
        made = []
        sweep()
        for name in HIERARCHIES:
            if not (CGROUPS / name / "cgroup.procs").exists():
                continue
            with contextlib.suppress(OSError):
                mine = CGROUPS / name / self._cgroup
                mine.mkdir()
                for given in ("cpuset.cpus", "cpuset.mems") if name == "cpuset" else ():
                    (mine / given).write_text((mine.parent / given).read_text())
                made.append(name)
        self.mode = "cgroup" if {"memory", "freezer", "devices", "cpuset"} <= set(made) else "plain"

    def _joining(self) -> list[str]:
        """What goes before a command that is to be in the cluster's cgroups."""
        if self.mode == "plain":
            return []
        procs = [CGROUPS / name / self._cgroup / "cgroup.procs" for name in HIERARCHIES]
        lines = "".join(f"echo $$ >{path}\n" for path in procs if path.exists())
        return ["sh", "-c", f'{lines}exec "$@"', "sh"]

    def _configure(self) -> None:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        told = {"dir": self.dir, "memory": int(total / (1 << 20) * 0.4)}
        told["plugins"] = OF_CGROUPS if self.mode == "cgroup" else PLAIN
        (self.dir / "etc/slurm.conf").write_text((HERE / "slurm.conf").read_text().format(**told))
        if self.mode == "cgroup":
            (self.dir / "etc/cgroup.conf").write_text(CGROUP_CONF)
        (self.dir / "hosts").write_text("127.0.0.1 localhost ctl n1 n2 n3\n")
        (self.dir / "munge.key").write_bytes(os.urandom(128))
        (self.dir / "munge.key").chmod(0o400)

    def _start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start what dies with this process, whatever that dies of."""
        command = ["setpriv", "--pdeathsig", "KILL", *words]
        with (self.dir / "log/boot").open("ab") as log:
            joined = command if words[0] == "sh" else [*self._joining(), *command]
            return subprocess.Popen(joined, env=self.env(), stdout=log, stderr=log, start_new_session=True)

    def _node_first(self, node: str) -> int:
        """The first process of a node: nsenter has started unshare, which has started it."""
        return until(lambda: _child(_child(self._nodes[node].pid)), 10, f"first process of {node}")

    def _pids_of(self, node: str) -> list[int]:
        first = self._node_first(node) if node else self._first
        space = "pid" if node else "net"
        own, found = Path(f"/proc/{first}/ns/{space}").readlink(), []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns" / space).readlink() == own:
                    found.append(int(process.name))
        return found

    def _found(self, program: str, node: str = "") -> list[int]:
        return [pid for pid in self._pids_of(node) if _comm(pid) == program]

    def _kill(self, program: str, node: str = "", number: int = signal.SIGKILL) -> None:
        for pid in self._found(program, node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until(lambda: not self._found(program, node), 10, f"{program} is gone")


class Inside(subprocess.Popen[Any]):
    """A command on one of the machines; this process is only the nsenter before it."""

    def inner(self) -> int:
        """The pid of the command itself, as this process sees it."""
        return until(lambda: _child(self.pid), 10, "the command is started", 0.01)

    def send_signal(self, number: int) -> None:
        """Send a signal to the command itself."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.inner(), number)


def _child(pid: int) -> int:
    """The only child of a process; 0 if it has none yet."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if pid else []
        return int(children[0]) if children else 0
    return 0


def _comm(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _words(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _one_of(found: str, wanted: Sequence[str]) -> str:
    return found if found in wanted else ""


def _remove_cgroups(top: Path) -> None:
    """Remove cgroups, as soon as the last of what was killed in them has gone."""

    def gone() -> bool:
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not top.exists()

    until(gone, 10, f"{top} is empty")


def sweep() -> None:
    """Remove the cgroups of clusters whose tests were killed."""
    for left in CGROUPS.glob("*/blut-slurm-*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            _remove_cgroups(left)
