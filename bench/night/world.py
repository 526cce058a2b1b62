"""One evening's place: homes, one store, one queue of leases, small disks, and the commands typed there."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from bench.measure import REPOSITORY

BLUT = [sys.executable, "-c", "from blut_assets.cli import main; main()"]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
UNSET = ("PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS")
PATIENCE_S = 600.0
"""A busy machine is no failure."""


def until(what: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What it gives as soon as that is true, or its last word when nobody waits any longer."""
    deadline = time.monotonic() + patience_s
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


class World:
    """Directories below ``root``; what is mounted lies in this process's own namespace."""

    def __init__(self, root: Path) -> None:
        self.root, self.accounts, self.said = root, root / "accounts", root / "said"
        self.store, self.leases, self.clocks = root / "store", root / "leases", root / "clocks"
        self.temp = root / "temp"
        for directory in (self.accounts, self.said, self.clocks, self.temp):
            directory.mkdir(parents=True)
        self._site = _installed(root / "site")
        self._clock = self._sleep_that_works()
        self.full: dict[str, Path] = {}
        self.server = socket.socket()
        self.hole = self.server
        self.groups: set[str] = set()
        """Control groups in which a process of this night was ever seen."""
        self._over = threading.Event()
        threading.Thread(target=self._see_groups, daemon=True).start()

    def home(self, name: str) -> Path:
        """The instance of that name; commands make it."""
        return self.root / "homes" / name

    def environment(self, home: str, **more: str) -> dict[str, str]:
        """What a shell has exported in which commands for that home are typed."""
        own = {
            "DAGSTER_HOME": str(self.home(home)),
            "BLUT_STORE": str(self.store),
            "BLUT_LEASES": str(self.leases),
            "BLUT_PAYLOAD_ENV": "NIGHT_*, FAKETIME*, NO_FAKE_STAT",
            "BLUT_GRACE_S": "5",
            "BLUT_RETRY_WAIT": "3s",
            "NIGHT_ACCOUNTS": str(self.accounts),
            "PYTHONPATH": os.pathsep.join([self._site, str(REPOSITORY)]),
            "TMPDIR": str(self.temp),
        }
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        return {**kept, **own, **more}

    def clock(self, name: str) -> dict[str, str]:
        """Variables by which a process and all below it have a clock that `jump` sets."""
        offset = self.clocks / name
        offset.write_text("+0\n")
        return {
            "LD_PRELOAD": f"{self._clock} {FAKETIME}",
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, name: str, offset: str) -> None:
        """Set the clock of that name, such as ``+1d``."""
        beside = self.clocks / f".{name}"
        beside.write_text(f"{offset}\n")
        beside.replace(self.clocks / name)

    def start(self, words: Sequence[str], home: str, said: str, **more: str) -> subprocess.Popen[bytes]:
        """A command in a session of its own, as a terminal has it; what it says is in ``said``."""
        with (self.said / said).open("ab") as out:
            return subprocess.Popen(
                [*BLUT, *words],
                env=self.environment(home, **more),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def blut(self, words: Sequence[str], home: str, **more: str) -> tuple[int, str, str]:
        """A command to its end: status, standard output, standard error. One that never ends has 124."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [*BLUT, *words],
                env=self.environment(home, **more),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                status = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait() and 124
            return status, _text(out), _text(err)

    def small(self, path: Path, size: str) -> Path:
        """A file system of its own of that size."""
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "night", path], check=True)
        return path

    def fill(self, path: Path) -> None:
        """Leave no byte of room on the file system of a directory."""
        with (path / ".ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass

    def give_room(self, path: Path) -> None:
        """Take the ballast away."""
        (path / ".ballast").unlink(missing_ok=True)

    def left(self) -> list[int]:
        """Processes that this night has started and that live."""
        mark, found = f"NIGHT_ACCOUNTS={self.accounts}".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes() and "Z" not in _state(entry):
                    found.append(int(entry.name))
        return sorted(found)

    def _see_groups(self) -> None:
        while not self._over.wait(0.5):
            for pid in self.left():
                with suppress(OSError):
                    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
                        _, kinds, group = line.split(":", 2)
                        if "/blut" in group:
                            self.groups.add(f"/sys/fs/cgroup/{kinds or 'unified'}{group}")

    def close(self) -> None:
        """End what is left."""
        self._over.set()
        for pid in self.left():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _sleep_that_works(self) -> Path:
        library = self.root / "sleep.so"
        source = Path(__file__).with_name("sleep.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
        return library


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _state(entry: Path) -> str:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0]


def _installed(site: Path) -> str:
    """Make the cookbook of the night one that `blut` finds."""
    info = site / "night-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: night\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nnight = bench.night.toy:cookbook\n")
    return str(site)


def children(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, entry.read_text().split()):
                found += [child, *children(child)]
    return found


def frozen(pid: int) -> dict[str, Any]:
    """What a payload was told; empty for any other process."""
    with suppress(OSError, ValueError):
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if word.startswith(b"BLUT_PAYLOAD_CONFIG="):
                return json.loads(Path(os.fsdecode(word.partition(b"=")[2])).read_text())
    return {}
