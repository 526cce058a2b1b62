"""Takes everything away from this process but what its spec lets it open; then tries whether that holds.

Called between fork and exec, for good: what is started from here on inherits it. Capabilities go too, root's
as well, and system calls by which a process reaches into another, into the kernel or past the file system.
"""

# What the layers are for, and why in this order:
#
# A container or `bwrap` is not always there and often needs setuid; a user of another name needs root. Both
# Landlock and user namespaces are open to anybody, where the kernel has them. Landlock goes first: it leaves
# the paths as they are, so an interpreter finds itself. Namespaces can fail halfway (some hosts forbid the
# mounts, not the unshare), and a process that has half a root can neither go on nor go back; so they are
# tried in a child first, and the child's fate is the answer.
#
# Neither of the two sees everything: Landlock knows no chmod, no xattr, no `stat`, and older versions no
# network; sockets by abstract name and shared memory are not files at all. The filter of system calls takes
# these. It comes last, since the steps before it need `mount`, `unshare` and `pivot_root` themselves.
# Capabilities go before it, root's too: with them a process could mount, trace or load its way out.
#
# What is believed is the attempt, not the configuration: `_prove` opens what must be hidden, as the process
# that will run. A list of rules that looks right proves nothing, for a bind mount, a hard link or a rule for
# a parent directory can leave it within reach. If the filter is refused the answer is "none" even though the
# paths hold, because a promotion must not rest on half of it.

from __future__ import annotations

import ctypes
import os

from blut_resources.containment.sandbox import landlock, namespaces, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAP_VERSION_3 = 0x20080522
WAYS = {"landlock": landlock.restrict, "namespaces": namespaces.restrict}


class StillReachable(OSError):
    """Says that something that is to be hidden can be opened all the same."""


def enforce(spec: dict[str, Any]) -> str:
    """Confine this process, and return what does: ``landlock``, ``namespaces`` or ``none``.

    Raises:
        StillReachable: what the spec hides lies within what the spec lets it read.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    held = "none"
    for name in spec.get("ways") or WAYS:
        try:
            if name != "landlock":
                _try_first(name, libc, spec)
            WAYS[name](libc, spec)
        except (OSError, KeyError):
            continue
        held = name
        break
    drop_capabilities(libc)
    try:
        seccomp.restrict(libc, bool(spec["network"]))
    except OSError:
        held = "none"
    if held != "none":
        _prove(spec["hidden"])
    return held


def _try_first(name: str, libc: Any, spec: dict[str, Any]) -> None:
    """Try a way that may fail halfway in a child. Raises OSError if it did."""
    child = os.fork()
    if child == 0:
        try:
            WAYS[name](libc, spec)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise OSError(f"{name}: not to be had here")


def drop_capabilities(libc: Any) -> None:
    """Give up every capability and all ways of getting one."""
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    number = 0
    while libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    check(libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())))


def check(result: int) -> int:
    """Returns the result of a system call; raises OSError for -1."""
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _prove(hidden: list[str]) -> None:
    """Ask the kernel: what must not be opened cannot be."""
    for path in hidden:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            continue
        raise StillReachable(1, "lies within what the isolated process has to read; move it", path)
