"""Says who holds something, and whether that process lives: yes, no, or unknown from here.

Only *no* permits ending, deleting or reaping: what cannot be seen is not dead. A pid means something in its
own process namespace during its own boot; from another machine, or another container of this one, nobody
can tell by it. A lock is seen by all of one kernel: who holds something may mark it with a file that it keeps
locked.
"""

# Why three answers, and why locks before numbers:
#
# `kill(pid, 0)` says whether *some* process has the number. It may be another process by now, hence the start
# time; it may be counted in another PID namespace, hence the namespace; the machine may have started again,
# hence the boot; and it may be another machine that shares the directory, hence the machine. With a boolean,
# everything that cannot be seen from here is "not found", which reads as dead: a training in another
# container was killed that way. Heartbeats do not work, for a suspended machine and a hung disk look dead
# too, and a wrong "dead" costs a training while a wrong "unknown" costs a question to a person.
#
# A boot id that is not ours proves death only together with our own machine id: that boot is over. From
# another machine it proves nothing. A namespace below this one can be searched, by the last number in NSpid;
# only the machine's own namespace sees all, so only there does "not found" mean no. In a namespace whose
# /proc is not its own the table counts otherwise, and nothing is concluded at all.
#
# A lock needs no such reasoning for a holder of this boot: one kernel sees all of its own locks, in whatever
# container, and drops them at a death. Where machines share a filesystem a free lock proves nothing of the
# other ones, since whether they see each other's locks depends on the mount; then the holder that is written
# in the file decides. Older versions wrote none: of them it is believed where the filesystem is one kernel's.
# `Mark` writes its line after it has the lock: a line without a lock would read as a dead holder. It locks,
# then compares the inode with the name, because whoever finds a mark dead deletes it.

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple

from blut_resources.machine.mounts import mount_of
from blut_resources.machine.processes import boot_id, machine, pid_namespace, read, start_time

Answer = Literal["yes", "no", "unknown"]

INITIAL = "pid:[4026531836]"
"""The machine's own process namespace, from which all others are seen; the number is fixed in the kernel."""
UNLOCKED, UNSEEN = "unlocked", "unseen"


class Holder(NamedTuple):
    """Names a process, and where its number means something.

    Older versions wrote only the first two fields; what is missing is empty. ``start`` is in clock ticks
    since boot, ``machine`` the host name and the machine id. ``lock`` is empty for one that locks what it
    marks; `UNLOCKED` for one on whose behalf somebody else has marked it, so that the process table decides;
    `UNSEEN` for one whose death is not the end of what it marks.
    """

    pid: int
    start: int | None
    boot: str = ""
    namespace: str = ""
    machine: str = ""
    lock: str = ""

    @classmethod
    def of(cls, said: object) -> "Holder | None":
        """Returns what a list of fields, or a line of them, says; None if it says nothing of a process."""
        words = (
            said.split() if isinstance(said, str) else list(said) if isinstance(said, list | tuple) else []
        )
        try:
            pid, start, *where = words
            if where[2:3] in ([UNLOCKED], [UNSEEN]):  # of a machine without an id, as containers often are
                where.insert(2, "")
            return cls(int(pid), int(start), *map(str, where[:4]))
        except (ValueError, TypeError):
            return None

    @property
    def complete(self) -> bool:
        """Says whether it says on which boot of which machine it runs."""
        return bool(self.boot and self.namespace and self.machine)

    @property
    def host(self) -> str:
        """Returns the name of its machine, for a person."""
        return self.machine.partition("/")[0] or "another machine"

    def line(self) -> str:
        """Returns its fields, to be written down."""
        return " ".join(str(field) for field in self if field != "")

    def __str__(self) -> str:
        host, here = self.host, self.boot == boot_id()
        if here and self.namespace == pid_namespace():
            return f"process {self.pid}"
        if not self.machine:
            return f"process {self.pid} of an older version, which did not say on which machine"
        return f"process {self.pid} on {host}" + (" (in another container)" if here else "")


def this_process() -> Holder:
    """Returns the holder that this process is."""
    return Holder(os.getpid(), start_time("self"), boot_id(), pid_namespace(), machine())


def process(pid: int) -> Holder:
    """Returns the holder that another process of this namespace is, which locks nothing itself."""
    return Holder(pid, start_time(pid), boot_id(), pid_namespace(), machine(), UNLOCKED)


def alive(holder: Holder) -> Answer:
    """Says whether a process lives, by the process table of this machine."""
    if not holder.boot:
        return "yes" if _look_here(holder) == "yes" else "unknown"
    if holder.boot != boot_id():
        return "no" if holder.machine and holder.machine == machine() else "unknown"
    return _look_here(holder) if holder.namespace == pid_namespace() else _look_below(holder)[0]


def pid_here(holder: Holder) -> int | None:
    """Returns the number by which this process can signal a living holder;
    None if it cannot be seen from here.
    """
    if holder.boot in ("", boot_id()) and holder.namespace in ("", pid_namespace()):
        return holder.pid if _look_here(holder) == "yes" else None
    return _look_below(holder)[1] if holder.boot == boot_id() else None


def _look_here(holder: Holder) -> Answer:
    """Look for a holder in this process namespace."""
    if not _has_own_table():
        return "unknown"
    started = start_time(holder.pid)
    if started is None:
        with contextlib.suppress(ProcessLookupError):
            try:
                os.kill(holder.pid, 0)
            except PermissionError:  # /proc may hide the processes of other users
                return "unknown"
    return "yes" if started is not None and started == holder.start else "no"


def _has_own_table() -> bool:
    """Says whether /proc counts as this process does; in a namespace without its own one it does not."""
    with contextlib.suppress(OSError):
        return Path("/proc/self").readlink().name == str(os.getpid())
    return False


def _look_below(holder: Holder) -> tuple[Answer, int | None]:
    """Look in namespaces inside this one, and give the pid here; only the machine's own sees them all."""
    if not _has_own_table():
        return "unknown", None
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit() or start_time(int(name)) != holder.start:
            continue
        inner = read(f"/proc/{name}/status").partition("\nNSpid:")[2].partition("\n")[0].split()
        if inner[-1:] == [str(holder.pid)]:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") != holder.namespace:  # noqa: PTH115
                    continue
            return "yes", int(name)
    return "no" if pid_namespace() == INITIAL and read("/proc/1/stat") else "unknown", None


class Mark:
    """Keeps a file that says who holds something, locked for as long as this process does.

    Args:
        others: processes on whose behalf it is held, and which outlive this one.
        unseen: whether the end of this process says nothing, for it works for one that is out of sight.
    """

    def __init__(self, path: Path, others: Sequence[Holder] = (), *, unseen: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            path.open("a").close()
            with contextlib.suppress(FileNotFoundError):  # whoever finds it dead removes it
                self._file: IO[str] = path.open()  # for reading: it keeps no filesystem writable
                fcntl.flock(self._file, fcntl.LOCK_SH)
                if os.path.samestat(os.fstat(self._file.fileno()), path.stat()):
                    break
        own = this_process()._replace(lock=UNSEEN if unseen else "")
        known = holders(path)
        with path.open("a") as file:
            file.writelines(f"{one.line()}\n" for one in (*others, own) if one not in known)

    def fileno(self) -> int:
        """Returns the descriptor that has it locked."""
        return self._file.fileno()

    def close(self) -> None:
        """Hold it no more; the file stays."""
        self._file.close()

    def remove(self) -> None:
        """Hold it no more; the file goes, unless somebody else holds it too."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        remove_mark(self.path)
        self._file.close()


def remove_mark(path: Path) -> None:
    """Delete a mark that nobody has locked."""
    with contextlib.suppress(OSError), path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def locked(path: Path) -> bool:
    """Says whether somebody has a mark locked; False if there is none. Who may not read it is told True."""
    try:
        with path.open("r+" if os.access(path, os.W_OK) else "r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def holders(path: Path) -> list[Holder]:
    """Returns who has marked a file, the newest last."""
    with contextlib.suppress(OSError):
        return [found for line in path.read_text(errors="replace").splitlines() if (found := Holder.of(line))]
    return []


def marked(path: Path) -> Answer:
    """Says whether anybody lives who has marked a file."""
    return "yes" if locked(path) else unlocked(path, holders(path))


def unlocked(path: Path, who: Sequence[Holder]) -> Answer:
    """Says whether anybody of those lives who would have this file locked, which nobody here has."""
    answers = {_judge_unlocked(path, holder) for holder in who or [None]}
    return "unknown" if "unknown" in answers else "yes" if "yes" in answers else "no"


def _judge_unlocked(path: Path, holder: Holder | None) -> Answer:
    if holder is not None and holder.lock:
        return alive(holder) if holder.lock == UNLOCKED else "unknown"
    if holder is None or not holder.complete:  # of an older version, which locked it too
        return "no" if mount_of(path).is_local else "unknown"
    return "no" if holder.boot == boot_id() else alive(holder)
