"""Real commands for units, and owners that are processes of their own, to be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blut_resources.containment import Limits, Unit, launch
from blut_resources.machine.cgroupfs import cgroup_of
from tests.owners import PATIENCE_S, processes, within

REPOSITORY = Path(__file__).parents[3]
MIB = 1 << 20
PYTHON = [sys.executable, "-I", "-S"]
HOG = "import sys\nkept = [bytearray(4 << 20) for _ in range(int(sys.argv[1]) // 4)]\nprint('survived')"
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
"""
ENV = {"PATH": os.environ["PATH"]}


def hog(mib: int) -> list[str]:
    """Uses that much memory, says ``survived``, ends."""
    return [*PYTHON, "-c", HOG, str(mib)]


def shell(script: str, *words: str) -> list[str]:
    """A shell with the words as $1, $2, ..."""
    return ["/bin/sh", "-c", script, "sh", *words]


def beside_deaf(marker: str, script: str = "wait") -> list[str]:
    """The script beside a grandchild in its own session that ignores SIGTERM, known by the marker."""
    return shell(f'setsid {sys.executable} -I -S -c "$1" {marker} & {script}', DEAF)


def await_deaf(place: Path, marker: str) -> None:
    """Until it runs and ignores SIGTERM."""
    within(PATIENCE_S, lambda: (place / "log").exists() and "deaf" in (place / "log").read_text())
    assert processes(marker)


def start(place: Path, command: Sequence[str], backend: str = "cgroup1", **options: Any) -> Unit:
    """Launch with the usual environment; limits and options of ``launch`` alike by their names."""
    own = ("grace_s", "on_orphan", "lease", "cwd", "env", "name", "isolation")
    settings = {key: options.pop(key) for key in own if key in options}
    limits = Limits(**{"backend": backend, **options})
    return launch(command, place=place, limits=limits, **{"env": ENV, "name": "kept", **settings})


def output(unit: Unit) -> str:
    """What the command has said until now."""
    path = unit.place / "log"
    return path.read_text() if path.exists() else ""


def memory_dir(unit: Unit) -> Path:
    """The cgroup that counts the memory of a unit on cgroup version 1."""
    return Path(json.loads((unit.place / "spec.json").read_text())["backend"]["cgroups"][0])


def own_memory_dir() -> Path:
    """The cgroup that counts the memory of this process."""
    own = cgroup_of("self", "memory")
    assert own
    return own.path


def supervisor(place: Path) -> int:
    """Its pid."""
    return json.loads((place / "unit.json").read_text())["pid"]


class Owner:
    """A process that launches a unit, says so, and waits to be killed."""

    def __init__(self, place: Path, command: Sequence[str], by: Sequence[str] = (), **options: Any) -> None:
        """``by``: a command that runs the owner somewhere else (``unshare``)."""
        self.place = place
        words = json.dumps([str(place), list(command), options])
        self.process = subprocess.Popen(
            [*by, sys.executable, "-m", "tests.blut_resources.containment.owner", words],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def said(self) -> str:
        """Its next line: ``up`` once the unit runs, else why not."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """As violently as can be, and only the owner."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> str:
        """Wait for its end; what else it said."""
        assert self.process.stdout
        with self.process, self.process.stdout:
            return self.process.stdout.read()
