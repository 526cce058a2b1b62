"""Finds the processes of a unit as its supervisor sees them: those in its cgroups, and its descendants.

As a subreaper the supervisor inherits every orphan, so between them the two leave nothing out: a process that
left the cgroup is still a descendant. Loaded by the supervisor, hence without imports that cost time.
"""

from __future__ import annotations

import time

from blut_resources.machine.wire import read_text

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
else:
    import posix as os

SIGKILL = 9
UNLIMITED = 1 << 60
"""Version 1 has no word for "no limit", only the largest number of pages."""
BATCH = 512 << 10
"""Bytes by which a reached limit may be missed: memory is charged in batches."""


class ProcessTree:
    """Stands for the processes in ``cgroups``, of which the first counts memory.

    ``version`` is 0 without any.
    """

    def __init__(self, cgroups: list[str], version: int) -> None:
        self.cgroups, self.version = cgroups, version

    def join(self) -> None:
        """Move this process, which has one thread, into the cgroups. Raises OSError."""
        for directory in self.cgroups:
            # `tasks` moves one thread and spares the 10 to 20 ms that the kernel waits to move a process
            write(f"{directory}/{'tasks' if self.version == 1 else 'cgroup.procs'}", "0")

    def processes(self) -> set[int]:
        """Returns the pids of everything that lives, and of zombies below this process;
        not this process itself.
        """
        found = descendants(os.getpid())
        for directory in self.cgroups:
            for path in below(directory):
                found.update(map(int, read(f"{path}/cgroup.procs").split()))
        # 0 is how a cgroup shows a process of another process namespace; to kill it is to kill oneself
        return found - {0, os.getpid()}

    def signal(self, number: int) -> None:
        """Send a signal to every process there is at this moment."""
        self._signal(self.processes(), number)

    def _signal(self, pids: set[int], number: int) -> None:
        for pid in pids:
            try:  # noqa: SIM105
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self, reap: Callable[[], object], inside: bool) -> None:
        """Send SIGKILL until nothing is left, however it forks. Returns only then.

        Args:
            reap: collects ended children; called between the rounds.
            inside: this process is in the cgroup too and must survive.
        """
        before: set[int] = set()
        pause = 0.001
        if not inside:
            self._stop_forking()
        while found := self.processes():
            self._signal(found, SIGKILL)
            # who is stuck in the kernel (a hung GPU or network disk) dies when that lets go of it
            pause = min(pause * 1.5, 0.5) if found == before else 0.001
            before = found
            time.sleep(pause)
            reap()

    def _stop_forking(self) -> None:
        for directory in self.cgroups:
            for file, value in (("cgroup.kill", "1"), ("pids.max", "0")):
                try:  # noqa: SIM105
                    write(f"{directory}/{file}", value)
                except OSError:
                    pass

    def remove(self) -> None:
        """Remove the cgroups, and the group around them with the last unit. Needs ``kill`` before."""
        for directory in self.cgroups:
            for path in reversed(below(directory)):
                _remove(path)
            try:
                if directory.rsplit("/", 2)[1] == "blut":
                    os.rmdir(directory.rpartition("/")[0])
            except OSError:
                pass

    @property
    def oom_kills(self) -> int:
        """Counts processes that the kernel has killed for lack of memory:
        in this cgroup, above it, or anywhere.
        """
        if not self.cgroups:
            return 0
        file = "memory.oom_control" if self.version == 1 else "memory.events"
        return _counts(f"{self.cgroups[0]}/{file}").get("oom_kill", 0)

    @property
    def limit(self) -> int | None:
        """Returns the bytes; None if there is none."""
        found = self._memory("limit_in_bytes", "max")
        return None if found is None or found >= UNLIMITED else found

    @property
    def peak(self) -> int | None:
        """Returns the bytes used at most; None if nobody knows."""
        return self._memory("max_usage_in_bytes", "peak")

    @property
    def reached_own_limit(self) -> bool:
        """Says whether it was this cgroup's limit, rather than an ancestor's, that killed something."""
        if self.version == 2:
            return _counts(f"{self.cgroups[0]}/memory.events").get("oom", 0) > 0
        return self.limit is not None and (self.peak or 0) >= self.limit - BATCH

    def _memory(self, old: str, new: str) -> int | None:
        text = read(f"{self.cgroups[0]}/memory.{old if self.version == 1 else new}") if self.cgroups else ""
        return int(text) if text.strip().isdigit() else None


def own_cgroup(name: str) -> ProcessTree:
    """Returns the cgroup of that name that counts the memory of this process itself;
    no cgroup if it is in another.

    That other one is its manager's, or the whole session's: everything in it would be killed.
    """
    for line in read("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if path.rpartition("/")[2] != name:
            continue
        if "memory" in controllers.split(","):
            return ProcessTree([f"/sys/fs/cgroup/memory{path}"], 1)
        if number == "0" and read(f"/sys/fs/cgroup{path}/memory.events"):
            return ProcessTree([f"/sys/fs/cgroup{path}"], 2)
    return ProcessTree([], 0)


def descendants(pid: int) -> set[int]:
    """Returns children, their children and so on, zombies included."""
    found = children(pid)
    return found.union(*map(descendants, found))


def children(pid: int) -> set[int]:
    """Returns the processes that a process has started and that nobody has waited for."""
    found: set[int] = set()
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found.update(map(int, read(f"/proc/{pid}/task/{task}/children").split()))
    except OSError:
        pass
    return found


def below(directory: str) -> list[str]:
    """Returns a cgroup and those that the payload made in it, parents first."""
    try:
        inside = [entry.path for entry in os.scandir(directory) if entry.is_dir()]
    except OSError:
        inside = []
    return [directory, *(path for one in inside for path in below(one))]


def read(path: str) -> str:
    """Returns what a small file says; nothing if it is gone."""
    try:
        return read_text(path)
    except OSError:
        return ""


def write(path: str, value: str) -> None:
    """Write a value to a file of a cgroup. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def start_time(pid: int | str) -> int | None:
    """Says when a process started, in ticks since boot: with the pid it names a process.

    None if it is gone.

    ``self`` is this one, also where /proc counts as another process namespace does.
    """
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] != "Z" else None


def boot_id() -> str:
    """Says which boot of which machine this is."""
    return read("/proc/sys/kernel/random/boot_id").strip()


def pid_namespace() -> str:
    """Names the process namespace within which a pid of this process means something."""
    return os.readlink("/proc/self/ns/pid")


def machine() -> str:
    """Says which machine this is, on every boot: host name and machine id; empty where it has no id.

    Copies of a machine or of an image have one id in common: the name tells them apart.
    """
    name, number = read("/proc/sys/kernel/hostname").strip(), read("/etc/machine-id").strip()
    return f"{name}/{number}" if name and number else ""


def machine_id() -> str:
    """Returns what tells machines apart on every boot and under every name; empty where it has none."""
    said = read("/etc/machine-id").strip()
    return said if said.isalnum() and said != "uninitialized" else ""


def boot() -> str:
    """Returns boot and process namespace: within both a pid means something."""
    return f"{boot_id()} {pid_namespace()}"


def _counts(path: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in read(path).splitlines())}


def _remove(path: str) -> None:
    for _ in range(200):
        try:
            return os.rmdir(path)
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.005)  # its last process has not quite left
    return None
