"""Makes a root directory that holds nothing but the listed paths, where the kernel has no Landlock."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_NETWORK = 0x00020000, 0x08000000, 0x10000000, 0x40000000
BIND, RECURSIVE, PRIVATE, REMOUNT, READ_ONLY, NO_SUID = 4096, 16384, 1 << 18, 32, 1, 2
DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
ROOT = "/tmp"
"""Where the new root is mounted, seen by this process only."""


def restrict(libc: Any, spec: dict[str, Any]) -> None:
    """Let this process see only what the spec lists. Raises OSError where namespaces are not to be had."""
    uid, gid, cwd = os.getuid(), os.getgid(), os.getcwd()  # noqa: PTH109
    network = 0 if spec["network"] else NEW_NETWORK
    # what is to be seen is opened first: the new root may cover where it lies
    wanted = [(path, False) for path in spec["read"]] + [(path, True) for path in spec["write"]]
    _check(libc.unshare(NEW_USER | NEW_MOUNTS | NEW_IPC | network))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _check(libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None))
    held = [(path, writable, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path, writable in wanted]
    _check(libc.mount(b"blut", ROOT.encode(), b"tmpfs", NO_SUID, b"mode=755"))
    for path, writable, place in held:
        _show(libc, path, writable, place)
        os.close(place)
    os.chdir(ROOT)
    os.makedirs("old")  # noqa: PTH103
    _check(libc.syscall(PIVOT_ROOT[os.uname().machine], b".", b"old"))
    _check(libc.umount2(b"/old", DETACH))
    os.rmdir("/old")  # noqa: PTH106
    _check(libc.mount(None, b"/", None, REMOUNT | READ_ONLY | NO_SUID, None))
    os.chdir(cwd if os.path.isdir(cwd) else "/")  # noqa: PTH112


def _show(libc: Any, path: str, writable: bool, place: int) -> None:
    real = os.readlink(f"/proc/self/fd/{place}")  # noqa: PTH115
    target = ROOT + real
    if os.path.lexists(target):
        return
    if os.path.isdir(f"/proc/self/fd/{place}"):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    _check(libc.mount(f"/proc/self/fd/{place}".encode(), target.encode(), None, BIND | RECURSIVE, None))
    if not writable:
        # flags that the mount has already may not be taken off by whoever is not root
        flags = os.statvfs(target).f_flag & ~READ_ONLY
        _check(libc.mount(None, target.encode(), None, BIND | REMOUNT | READ_ONLY | flags, None))
    _link(path, real)


def _link(path: str, real: str) -> None:
    """Make the name by which a path is known, where it leads through links."""
    if path != real and not os.path.lexists(ROOT + path):
        os.makedirs(os.path.dirname(ROOT + path), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(real, ROOT + path)  # noqa: PTH211


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _check(result: int) -> None:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
