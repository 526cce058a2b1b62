"""Shrinks the file system to listed paths, and takes TCP and signals to others; Linux 5.13 and later."""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PR_SET_NO_NEW_PRIVS = 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in (7, 8, 13, 14, 15))
READING = EXECUTE | READ_FILE | READ_DIR
WRITING = READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE | IOCTL_DEV
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI version to how many rights on files it knows."""
NETWORK, SCOPES = 0b11, 0b11


def restrict(libc: Any, spec: dict[str, Any]) -> None:
    """Let this process open only what the spec lists. Raises OSError where the kernel has no Landlock."""
    abi = _call(libc, CREATE_RULESET, None, 0, 1)
    known = (1 << RIGHTS.get(abi, 16)) - 1
    sizes = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("<QQQ", known, 0 if spec["network"] else NETWORK, SCOPES)[:sizes]
    rules = _call(libc, CREATE_RULESET, attributes, sizes, 0)
    try:
        for paths, rights in ((spec["read"], READING), (spec["write"], WRITING)):
            for path in paths:
                _allow(libc, rules, path, rights & known)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(libc, RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(libc: Any, rules: int, path: str, rights: int) -> None:
    place = os.open(path.encode("utf-8", "surrogateescape"), os.O_PATH | os.O_CLOEXEC)
    try:
        if os.fstat(place).st_mode & 0o170000 != 0o040000:
            rights &= OF_A_FILE
        _call(libc, ADD_RULE, rules, 1, struct.pack("<Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(libc: Any, number: int, *arguments: Any) -> int:
    result = libc.syscall(number, *arguments)
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
