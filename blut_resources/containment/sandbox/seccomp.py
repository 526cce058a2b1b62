"""Filters system calls: none is left that would reach past the file system of an isolated process.

Refused are sockets, calls into other processes, mounts and namespaces, memory and queues that outlive a
process, and marks on files that are not bytes of theirs (times, modes, attributes), which would carry
unmeasured data from one process to the next.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
AF_UNIX = 1
X32 = 0x40000000

EVERYWHERE = (
    *(425, 426, 427),  # io_uring
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree to fspick, mount_setattr
    *(438, 440, 452, 463, 464, 465, 466),  # pidfd_getfd, process_madvise, fchmodat2, *xattrat
)
X86_64 = {
    "architecture": 0xC000003E,
    "socket": 41,
    "refused": (
        *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
        *(303, 304),  # name_to_handle_at, open_by_handle_at
        *(155, 161, 165, 166, 272, 308),  # pivot_root, chroot, mount, umount2, unshare, setns
        *(103, 163, 167, 169, 172, 173, 175, 176, 246, 298, 300, 313, 320, 321, 323),  # into the kernel
        *(29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 240, 248, 249, 250),  # shm, sem, msg, mq_open, keys
        *(76, 90, 92, 94, 132, 235, 260, 261, 268, 280),  # truncate, chmod, chown, utime
        *range(188, 200),  # xattr
    ),
}
AARCH64 = {
    "architecture": 0xC00000B7,
    "socket": 198,
    "refused": (
        *(117, 270, 271, 272),
        *(264, 265),
        *(39, 40, 41, 51, 97, 268),
        *(89, 104, 105, 106, 116, 142, 224, 241, 262, 273, 280, 282, 294),
        *(180, 186, 187, 188, 189, 190, 191, 193, 194, 195, 196, 217, 218, 219),
        *(45, 53, 54, 88),
        *range(5, 17),
    ),
}
MACHINES: dict[str, dict[str, Any]] = {"x86_64": X86_64, "aarch64": AARCH64}


def restrict(libc: Any, network: bool) -> None:
    """Install the filter, for good; needs ``no_new_privs``. Raises OSError where there is none."""
    calls = MACHINES.get(os.uname().machine)
    if calls is None:
        raise OSError(f"no filter of system calls for {os.uname().machine}")
    program = b"".join(struct.pack("<HBBI", *step) for step in _program(calls, network))
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _program(calls: dict[str, Any], network: bool) -> list[tuple[int, int, int, int]]:
    refuse = (RETURN, 0, 0, REFUSE)
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, calls["architecture"]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32),
        refuse,
    ]
    for number in (*calls["refused"], *EVERYWHERE):
        steps += [(JUMP_EQUAL, 0, 1, number), refuse]
    if network:
        steps += [
            (JUMP_EQUAL, 0, 3, calls["socket"]),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (JUMP_EQUAL, 0, 1, AF_UNIX),
            refuse,
        ]
    else:
        steps += [(JUMP_EQUAL, 0, 1, calls["socket"]), refuse]
    return [*steps, (RETURN, 0, 0, ALLOW)]
