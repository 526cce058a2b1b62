"""Writes what a supervisor is told: all about the command, so that none of it is on a command line."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import Backend, Request
from blut_resources.containment.limits import Limits
from blut_resources.containment.unit import ContainmentError
from blut_resources.machine.processes import read, start_time


def of_command(command: Sequence[str], env: Mapping[str, str], cwd: Path, limits: Limits) -> dict[str, Any]:
    """Returns the part that does not depend on the backend.

    Raises:
        ContainmentError: no such program or directory.
        ValueError: an argument or a variable that no program can be given.
    """
    for what, text in (*(("argument", word) for word in command), *(("variable", word) for word in env)):
        if "\0" in text or (what == "variable" and ("=" in text or "\0" in env[text] or not text)):
            raise ValueError(f"{what} {text!r}: a null byte, or a name with =, cannot be handed to a program")
    return {
        "command": [as_text(word) for word in command],
        "program": as_text(_program(command[0], env, cwd)),
        "env": {as_text(name): as_text(value) for name, value in env.items()},
        "cwd": as_text(cwd),
        "umask": int(read("/proc/self/status").partition("\nUmask:")[2].split()[0], 8),
        "owner": [os.getpid(), start_time(os.getpid())],
        "wall_clock_s": limits.wall_clock_s,
    }


def complete(
    spec: dict[str, Any], backend: Backend, request: Request, data: dict[str, Any]
) -> dict[str, Any]:
    """Returns the whole spec, with what the backend has prepared."""
    limits = {name: value for name, value in asdict(request.limits).items() if value is not None}
    rlimits = {name: [value, value] for name, value in data.get("rlimits", {}).items()}
    return {
        **spec,
        "unit": {"name": request.name, "limits": limits, "backend": backend.name},
        "env": {**spec["env"], **data.get("env", {})},
        "rlimits": {**_own_rlimits(), **rlimits} if data.get("inside") else rlimits,
        "backend": data,
    }


def as_text(value: str | os.PathLike[str]) -> str:
    """Returns text that has these bytes in every locale that the supervisor may run in."""
    return os.fsencode(value).decode("utf-8", "surrogateescape")


def _program(name: str, env: Mapping[str, str], cwd: Path) -> str:
    if not cwd.is_dir():
        raise ContainmentError(f"cwd={str(cwd)!r}: no such directory")
    found = str(cwd / name) if "/" in name else shutil.which(name, path=env.get("PATH", os.defpath))
    if not found or not os.access(found, os.X_OK):
        raise ContainmentError(f"command {name!r}: no such program; install it, or name its path")
    return found


def _own_rlimits() -> dict[str, list[int]]:
    """Returns what a child would have inherited, where the supervisor is not a child of this process."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
    return {name: list(resource.getrlimit(getattr(resource, name))) for name in names}
