"""Defines what an isolated process may open; everything else on the machine is out of its reach.

The kernel holds it to that: Landlock, else namespaces, and a system call filter on top of either. What holds
is tried from inside before the process starts (`blut_resources.containment.sandbox.enter`).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

Held = Literal["landlock", "namespaces", "none"]
"""What keeps an isolated process from the rest of the machine."""
HELD: tuple[Held, ...] = get_args(Held)
"""The strongest first."""

SYSTEM = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/libexec"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/usr/share/zoneinfo"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/dev/urandom", "/dev/random", "/dev/zero"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
)
"""What a program needs of its machine in order to start and to compute."""
GPU = ("/proc/driver/nvidia", "/proc/devices", "/sys/bus/pci", "/sys/devices/pci0000:00", "/sys/module")


@dataclass(frozen=True)
class Isolation:
    """Says what a process is let to open, besides the system's libraries and the interpreter.

    Attributes:
        read: files and directories that it may read.
        write: files and directories that it may read and write.
        hidden: what it must not be able to open; tried before it starts.
        network: whether it may open connections; sockets of this machine it never may.
        variables: what its environment has besides.
        sandboxed: False lets the kernel be: only its settings are clean then, and what it may open is not
            restricted. For programs that need devices, caches and compilers nobody can list.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    sandboxed: bool = True

    def also(self, *, read: Iterable[Path] = (), write: Iterable[Path] = ()) -> Isolation:
        """Returns a copy with more that may be opened."""
        return replace(self, read=(*self.read, *read), write=(*self.write, *write))

    def as_spec(self, gpus: Iterable[int] = ()) -> dict[str, Any]:
        """Returns what the sandbox is told; real paths, of what is there."""
        nodes = _gpu_nodes(gpus)
        read = [*SYSTEM, *_interpreter(), *(GPU if nodes else ()), *_with_targets(self.read)]
        return {
            "read": _there(read),
            "write": _there([*self.write, "/dev/null", *nodes]),
            "hidden": [os.path.realpath(path) for path in self.hidden],
            "network": self.network,
        }


def _interpreter() -> list[str | Path]:
    """Returns the running Python with its standard library and what is installed for it."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [*installed, sys.executable, Path(sys.prefix, "pyvenv.cfg"), Path(sys.base_prefix, "lib")]


def _gpu_nodes(gpus: Iterable[int]) -> list[str]:
    numbers = list(gpus)
    common = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps"]
    return [*(f"/dev/nvidia{number}" for number in numbers), *common] if numbers else []


def _with_targets(paths: Iterable[Path]) -> list[Path]:
    """Returns the paths, and the files that links in them lead to, as in a cache of model files."""
    found = list(paths)
    for path in paths:
        if path.is_dir():
            found += [file for file in path.rglob("*") if file.is_symlink()]
    return found


def _there(paths: Iterable[str | Path]) -> list[str]:
    return list(dict.fromkeys(str(path) for path in paths if os.path.exists(path)))  # noqa: PTH110
