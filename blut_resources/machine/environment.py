"""Finds out what a run runs on: the commit, the versions installed, the machine. That is slow."""

import contextlib
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blut_resources.machine.gpus import gpus
from blut_resources.machine.memory import memory
from blut_resources.machine.processes import read

SOURCE = Path(__file__).resolve().parents[2]
GIT_S = 20.0


def git_state(directory: Path = SOURCE) -> dict[str, Any] | None:
    """Returns ``commit``, ``branch`` and whether files differ from it;
    None if ``directory`` is in no checkout.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(directory, "status", "--porcelain", "--untracked-files=normal")
    return {
        "directory": str(directory),
        "commit": commit,
        "branch": _git(directory, "symbolic-ref", "--short", "--quiet", "HEAD"),
        "dirty": None if changed is None else bool(changed),
        "changed": changed.splitlines()[:50] if changed else [],
    }


def packages() -> dict[str, str]:
    """Returns name and version of every installed package."""
    # by the names of their directories: to read what is in them would take a hundred times as long
    there = (name for place in reversed(sys.path) for name in _listed(place) if name.endswith(".dist-info"))
    found = (name.removesuffix(".dist-info").rpartition("-") for name in there)
    return dict(sorted((name.replace("_", "-").lower(), version) for name, _, version in found))


def hardware() -> dict[str, Any]:
    """Returns the machine, as far as this process may use it. Memory in bytes."""
    models = [line for line in read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    there = gpus()
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory().total,
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.total, "uuid": gpu.uuid} for gpu in there.found],
        **({} if there.found else {"no_gpus": there.reason}),
    }


def environment() -> dict[str, Any]:
    """Returns all of it; what cannot be found out is None."""
    found: dict[str, Any] = {"python": sys.version.split()[0]}
    looks: dict[str, Callable[[], Any]] = {"git": git_state, "packages": packages, "hardware": hardware}
    for name, look in looks.items():
        found[name] = None
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            found[name] = look()
    return found


def _git(directory: Path, *args: str) -> str | None:
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(directory), *args]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=GIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _listed(place: str) -> list[str]:
    try:
        return os.listdir(place or ".")  # noqa: PTH208
    except OSError:
        return []
