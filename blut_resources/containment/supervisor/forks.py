"""Starts supervisors by forking (``python -I -S forks.py OWNER``): an interpreter takes ten times as long.

Each message on standard input is the path of a unit's spec; what comes back is the pid of its supervisor, or
0 where this kernel does not let it be started so. It ends with its owner.
"""

from __future__ import annotations

import select
import sys

# At the end: nothing of this project may stand before the standard library.
sys.path.append(__file__.rsplit("/", 4)[0])

from blut_resources.containment.supervisor import trampoline
from blut_resources.containment.supervisor.main import main

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
    from typing import NoReturn
else:
    import posix as os

CHANNEL = 0
"""The descriptor by which it is asked, and answers."""
PATH_BYTES = 1 << 13
CLONE3, CLONE_PARENT = 435, 0x8000
"""The number of the system call is the same on every architecture."""


def serve(owner: int) -> None:
    """Fork a supervisor for each spec, until nobody asks any more or the owner has ended."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # a process that the owner forked may hold the channel open; hence also the owner itself
    gone = _watched(owner)
    while gone.isdisjoint(select.select([CHANNEL, *gone], [], [])[0]) and (
        spec := os.read(CHANNEL, PATH_BYTES)
    ):
        pid = _fork_beside()
        if pid == 0:
            _supervise(spec.decode("utf-8", "surrogateescape"))
        os.write(CHANNEL, str(max(0, pid)).encode())


def _watched(owner: int) -> set[int]:
    """Returns what becomes readable when the owner ends; empty where a kernel or a sandbox has no such.

    Raises:
        ProcessLookupError: the owner has ended already.
    """
    try:
        return {os.pidfd_open(owner)}
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return set()


def _fork_beside() -> int:
    """Fork a child of the owner: who ends it and waits for it is the same as if it were started by itself.

    Nothing that `os.fork` does for other threads is missed here: there are none.
    """
    flags = CLONE_PARENT.to_bytes(8, sys.byteorder)
    return trampoline.call("syscall", CLONE3, flags + bytes(56), 64)


def _supervise(spec: str) -> NoReturn:
    try:
        os.setsid()
        log = f"{spec.rpartition('/')[0]}/log"
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open("/dev/null", os.O_RDONLY)
        for here, number in ((null, 0), (fd, 1), (fd, 2)):
            os.dup2(here, number)
        main(spec)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
