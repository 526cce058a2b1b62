"""A Ray of two nodes on this machine, in a network and a process space of their own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.slurm.cluster import until

HERE = Path(__file__).parent
VERSION = "2.60.0"
WHERE = "BLUT_TEST_RAY"
"""A variable that names a virtual environment with Ray in it; without it one is made, of 384 MB."""
SPACES = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc")


def missing() -> str:
    """What this machine lacks to boot one; empty if nothing."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return "Ray in a network of its own takes root, unshare and ip"
    return ""


def environment() -> Path:
    """The virtual environment that has Ray."""
    if named := os.environ.get(WHERE):
        return Path(named)
    made = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blut-tests" / f"ray-{VERSION}"
    if not (made / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", made], check=True)
        subprocess.run([made / "bin/pip", "install", "--quiet", f"ray[default]=={VERSION}"], check=True)
        (made / "ready").touch()
    return made


class RayCluster:
    """A head, and a second node that alone has the resource ``second``."""

    def __init__(self) -> None:
        # Ray has sockets in there, whose names must be short
        self.dir = Path(tempfile.mkdtemp(prefix="blr-", dir="/tmp"))
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._door: subprocess.Popen[bytes] | None = None
        words = [*SPACES, "bash", str(HERE / "machine.sh"), str(self.dir), str(environment() / "bin")]
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        with (self.dir / "machine.log").open("wb") as log:
            self._machine = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )

    def boot(self) -> None:
        """Wait for it, and open the door to its dashboard."""
        try:
            until((self.dir / "ready").exists, 300, "both nodes of Ray are up", 0.2)
        except AssertionError as error:
            logs = "\n".join(p.read_text(errors="replace")[-1500:] for p in self.dir.glob("*.log"))
            raise AssertionError(f"{error}\n{logs}") from None
        self.open_door()

    def open_door(self) -> None:
        """Let its dashboard be reached."""
        door = [sys.executable, str(HERE / "door.py"), str(self.port), str(self.dir / "door")]
        self._door = subprocess.Popen(door, stdin=subprocess.DEVNULL)
        until(self._answers, 30, "the dashboard answers", 0.1)

    def close_door(self) -> None:
        """Let nobody reach it: to everybody outside the head is away, and its jobs go on."""
        if self._door:
            self._door.kill()
            self._door.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as one:
            one.sendall(b"GET /api/version HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b"ray_version" in _all_of(one)
        return False

    def ask(self, path: str, data: bytes | None = None) -> bytes:
        """What its dashboard answers."""
        with urllib.request.urlopen(f"{self.address}{path}", data, timeout=60) as answer:
            return answer.read()

    def kill_second(self) -> None:
        """Let the second node die, and nothing of what runs on it."""
        os.kill(max(self.pids("raylet/raylet"), key=_started), signal.SIGKILL)

    def pids(self, *words: str) -> list[int]:
        """The processes in it whose command has these words."""
        return [pid for pid in self._pids() if all(word in _command(pid) for word in words)]

    def _pids(self) -> list[int]:
        inside = _space(self._machine.pid, "pid_for_children")
        own = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        return [pid for pid in own if _space(pid, "pid") == inside]

    def close(self) -> None:
        """Take all of it away."""
        self.close_door()
        self._machine.kill()
        self._machine.wait()
        time.sleep(0.2)
        shutil.rmtree(self.dir, ignore_errors=True)


def _all_of(one: socket.socket) -> bytes:
    return b"".join(iter(lambda: one.recv(1 << 16), b""))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _space(pid: int, kind: str) -> str:
    return _read(lambda: Path(f"/proc/{pid}/ns/{kind}").readlink())


def _command(pid: int) -> str:
    return _read(lambda: Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))


def _started(pid: int) -> int:
    return int(_read(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) or 0)


def _read(what: Callable[[], Any]) -> str:
    with contextlib.suppress(OSError):
        return str(what())
    return ""
