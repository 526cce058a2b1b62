"""Keeps the files that stand for who holds what of this machine, and who waits.

Every file is locked (``flock``, shared) by the processes that it speaks of. The kernel drops the lock when
the last of them dies, so a file that can be locked exclusively is a dead one, whatever its name or contents
say. Files appear whole and locked, by rename, under the directory's own lock; dead ones are deleted there.
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO

from blut_resources.files.documents import read_json
from blut_resources.files.durable import random_name
from blut_resources.files.private import open_file
from blut_resources.leases.place import LeaseError, explained
from blut_resources.machine import liveness
from blut_resources.text import one_line

HOLDER, WAITER = "holder", "waiter"

_NAME = re.compile(r"(?P<order>\d+)-[\w-]+\.(?P<kind>holder|waiter)")
_NEW = ".new-"
IDLE = ("cpus", "network", "disk")
CLAIM, MOST = 1 << 16, 1 << 60
"""Bytes of a claim that are read, and more bytes, GPUs or seconds than one can speak of."""
SHOWN = 200
"""Characters of what another user may have written of a holder."""


@dataclass(frozen=True)
class Needs:
    """Says what a step declares.

    Attributes:
        memory: bytes.
        gpus: how many.
        vram: bytes of memory on each of these.
        cpus: how many threads compute at once.
        network: permits; one for each download that is as fast as the line.
        disk: permits; one for whatever reads and writes as fast as the disk.
    """

    memory: int = 0
    gpus: int = 0
    vram: int = 0
    cpus: int = 0
    network: int = 0
    disk: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 0:
                raise ValueError(f"{name}={value}: must not be negative")
        if self.vram and not self.gpus:
            raise ValueError(f"vram={self.vram} without a GPU: declare gpus=1 too, or leave vram out")

    def beyond(self, others: Collection["Needs"]) -> "Needs":
        """Returns what is needed besides what its own thread holds, and does not use while it waits:
        CPUs and permits. Memory and GPUs stay in use.
        """
        more = {
            name: max(0, getattr(self, name) - sum(getattr(one, name) for one in others)) for name in IDLE
        }
        return replace(self, **more)

    def __bool__(self) -> bool:
        return any(asdict(self).values())


@dataclass(frozen=True)
class Claim:
    """Says what one file says: who waits for what, or holds it. `since` is in seconds since 1970."""

    needs: Needs
    holder: Mapping[str, str]
    since: float
    gpus: tuple[str, ...] = ()
    """UUIDs: of the GPUs held, or of those that the waiter can see."""
    cpus: tuple[int, ...] = ()
    """Numbers of the CPUs that it may run on; any, where it does not say."""
    quotas: Mapping[int, int] = field(default_factory=dict)
    """Inode of each cgroup that limits its CPU time -> how many CPUs that has the time of."""
    inside: tuple[str, ...] = ()
    """Names of the files of the leases that a waiter holds meanwhile."""
    path: Path = field(default=Path(), compare=False)
    problem: str = ""
    """Why a living process's file cannot be believed."""
    owner: int = field(default_factory=os.geteuid, compare=False)
    """The user whose file it is, by the kernel's word; what it says of itself may be anything."""

    @property
    def foreign(self) -> bool:
        """Says whether it is neither this user's nor root's:
        then it counts up to a share, whatever it says.
        """
        return self.owner not in (os.geteuid(), 0)


class Held:
    """Holds a file that this process has locked, until `release` or death."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self._file = file

    def release(self) -> None:
        """Let go; the file is deleted unless another process (a payload's supervisor) still holds it."""
        if self._file.closed:
            return
        # Unlocked, not only closed: a forked child may still have the descriptor.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path.unlink()
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()


def claims(directory: Path, kind: str, *, sweep: bool = False) -> list[Claim]:
    """Returns the claims of living processes, oldest first. `sweep` deletes the dead; only under the lock."""
    with explained(directory):
        names = os.listdir(directory)  # noqa: PTH208
        if sweep:
            for name in names:
                if name.startswith(_NEW):
                    _probe(directory / name, sweep)
        paths = sorted(
            (int(name["order"]), directory / name[0]) for name in _ours(names) if name["kind"] == kind
        )
        probed = [(path, *_probe(path, sweep)) for _, path in paths]
    return [_parse(path, text, owner) for path, alive, text, owner in probed if alive]


# Locked before it has its name: a file that appeared first and was locked after would be swept by whoever
# holds the directory's lock in between, as one whose process has died. A lock that is taken with the name
# already there would also show a claim with half of its contents. The lock is shared, so that a payload's
# supervisor can hold the same file and the lease outlives the run that took it.
def add(directory: Path, kind: str, claim: Claim) -> Held:
    """Put a claim behind all that there are. Only under the lock."""
    temporary = directory / f"{_NEW}{random_name()}"
    said = {
        "needs": asdict(claim.needs),
        "holder": dict(claim.holder),
        "since": claim.since,
        "gpus": claim.gpus,
        "cpus": claim.cpus,
        "quotas": dict(claim.quotas),
        "inside": claim.inside,
        "process": list(liveness.this_process()),
    }
    with explained(directory):
        orders = (int(name["order"]) for name in _ours(os.listdir(directory)))  # noqa: PTH208
        path = directory / f"{max(orders, default=0) + 1:06d}-{random_name()}.{kind}"
        file = temporary.open("x")
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
            # whatever the umask: every user must be able to see that it lives
            os.fchmod(file.fileno(), 0o644)
            file.write(json.dumps(said))
            file.flush()
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            file.close()
            raise
    return Held(path, file)


def join(path: Path) -> Held:
    """Hold a living process's file with it.

    Raises:
        LeaseError: nobody holds it any more.
    """
    with contextlib.suppress(OSError):
        file = path.open()
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.close()
            raise LeaseError(f"{path}: the processes that held this lease are gone; take a new one")
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return Held(path, file)
    raise LeaseError(f"{path}: there is no such lease any more; take a new one")


def _ours(names: list[str]) -> list[re.Match[str]]:
    """Returns the names that are ours; whatever else lies there is left alone."""
    return [name for name in map(_NAME.fullmatch, names) if name]


def _probe(path: Path, sweep: bool) -> tuple[bool, str, int]:
    """Says whether a living process has a file, what is in it, and whose it is.

    Who closes a file to others claims nothing from them: nobody could tell whether its process lives.
    """
    try:
        descriptor = open_file(path)
    except OSError:
        return False, "", -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, CLAIM).decode(errors="replace")
        return True, text, os.fstat(descriptor).st_uid
    else:
        if sweep and _is_dead(path, descriptor):
            with contextlib.suppress(OSError):  # another user's: it counts for nothing and stays
                path.unlink()
        return False, "", -1
    finally:
        os.close(descriptor)


def _is_dead(path: Path, descriptor: int) -> bool:
    """Says of a file that nobody of this kernel has locked whether it is dead:
    it may be another machine's.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        said = read_json(os.read(descriptor, CLAIM).decode(errors="replace"), "its claim", CLAIM)
        if found := liveness.Holder.of(said.get("process")):
            return liveness.unlocked(path, [found]) == "no"
    return liveness.unlocked(path, []) == "no"


def _parse(path: Path, text: str, owner: int) -> Claim:
    try:
        said = read_json(text, "its claim", CLAIM, distinct=True)
        holder = {one_line(key, SHOWN): one_line(value, SHOWN) for key, value in said["holder"].items()}
        # an older version says nothing of some; what a newer one says besides is not known here
        needs = Needs(**{one.name: int(said["needs"].get(one.name, 0)) for one in fields(Needs)})
        since = float(said["since"])
        if not 0 <= since < MOST or max(asdict(needs).values()) > MOST:
            raise ValueError("a figure that no machine has")
        cpus = tuple(map(int, said.get("cpus", ())))
        quotas = {int(cgroup): int(share) for cgroup, share in said.get("quotas", {}).items()}
        gpus = tuple(map(str, said["gpus"]))
        inside = tuple(map(str, said.get("inside", ())))
        return Claim(needs, holder, since, gpus, cpus, quotas, inside, path, owner=owner)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        problem = (
            f"waiting, for it is not known what is free: {path} is held by a living process and cannot be"
            f" read ({one_line(error, 200)}): end that process (`fuser -v {path}`), or delete the file"
        )
        claim = Claim(Needs(MOST), {}, time.time(), path=path, owner=owner)
        return claim if claim.foreign else replace(claim, needs=Needs(), problem=problem)
