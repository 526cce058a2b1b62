"""Owners of units as processes of their own: another user, another manager, and to be killed.

Only for machines of which nothing is kept (``tests/uml``, ``tests/hybrid``): makes a user, opens directories.
"""

import json
import os
import pwd
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

PLACES = Path("/run/places")
USER = "runner"
CGROUPS = Path("/sys/fs/cgroup")
PATIENCE_S = 120
"""For what is only awaited: a busy machine is no failure."""


@dataclass(frozen=True)
class Who:
    """Who starts units and what holds them. ``cgroup``: the owner enters it first, and may divide it."""

    name: str
    backend: str
    user: str = "root"
    env: dict[str, str] = field(default_factory=dict)
    cgroup: str = ""

    @property
    def uid(self) -> int:
        return pwd.getpwnam(self.user).pw_uid

    def become(self) -> None:
        """Make this process that user's, there."""
        if self.cgroup:
            # once it is divided, only its leaf takes processes
            leaf = CGROUPS / self.cgroup / "blut-owner"
            cgroup = leaf if leaf.exists() else leaf.parent
            (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        account = pwd.getpwnam(self.user)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.environ.update({"HOME": account.pw_dir, "USER": self.user, **self.env})
        # as in a process that a timer or another user's shell started
        os.environ.pop("XDG_RUNTIME_DIR", None)
        os.environ.pop("DBUS_SESSION_BUS_ADDRESS", None)

    def place(self, name: str) -> Path:
        """A directory for a unit, with what systemd and shells like to interpret in its path."""
        PLACES.mkdir(exist_ok=True)
        path = PLACES / f"{self.name} {name} $HOME ${{X}} 100%n \"'"
        path.mkdir(mode=0o700)
        os.chown(path, self.uid, -1)
        return path

    def systemctl(self, *words: str) -> str:
        """What the manager that holds this owner's units says."""
        user = self.user != "root" or self.env.get("BLUT_SYSTEMD_MANAGER") == "user"
        command = ["systemctl", "--user" if user else "--system", "--no-pager", "--full", *words]
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": f"/run/user/{self.uid}"}
        account = pwd.getpwnam(self.user)
        done = subprocess.run(
            command,
            env=environment,
            user=account.pw_uid,
            group=account.pw_gid,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout


class Owner:
    """A forked process that does something as somebody and sends JSON back."""

    def __init__(self, who: Who, act: Callable[["Owner"], Any]) -> None:
        self._results, self._send = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(who, act)
        os.close(self._send)
        self._text = b""

    def _run(self, who: Who, act: Callable[["Owner"], Any]) -> NoReturn:
        try:
            who.become()
            self.tell(act(self))
            os._exit(0)
        except BaseException:
            self.tell({"traceback": traceback.format_exc()})
        finally:
            os._exit(1)

    def tell(self, value: Any) -> None:
        """In the owner: send one result."""
        os.write(self._send, json.dumps(value).encode() + b"\n")

    def told(self, timeout_s: float = PATIENCE_S) -> Any:
        """In the test: the next result."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._text:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._results], [], [], max(0, left))
            piece = os.read(self._results, 1 << 16) if ready else b""
            if not piece:
                raise AssertionError(
                    "the owner died" if ready else f"the owner said nothing for {timeout_s} s"
                )
            self._text += piece
        line, _, self._text = self._text.partition(b"\n")
        value = json.loads(line)
        if isinstance(value, dict) and "traceback" in value:
            raise AssertionError(f"in the owner:\n{value['traceback']}")
        return value

    def kill(self) -> None:
        """As violently as can be, and only the owner."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def done_by(who: Who, act: Callable[[Owner], Any], timeout_s: float = PATIENCE_S) -> Any:
    """What an owner did, after it has ended."""
    owner = Owner(who, act)
    try:
        return owner.told(timeout_s)
    finally:
        owner.kill()


def processes(marker: str) -> list[str]:
    """The living processes that have this word on their command line."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if marker in words:
            found.append(f"{directory.name}: {' '.join(words)}")
    return found


def within(timeout_s: float, what: Callable[[], Any]) -> float:
    """Seconds until it was true; fails if it never was."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < timeout_s, f"not within {timeout_s} s"
        time.sleep(0.1)
    return time.monotonic() - started


def add_user() -> None:
    """A user without privileges whose manager runs without a login, and who may read what the tests run."""
    subprocess.run(["useradd", "--create-home", USER], check=True)
    subprocess.run(["loginctl", "enable-linger", USER], check=True)
    own = Path(__file__).resolve().parent.parent
    for path in (own, Path(sys.prefix), Path(sys.executable).resolve(), Path(os.__file__).resolve().parent):
        for parent in (path, *path.parents):
            if parent.stat().st_mode & 0o055 != 0o055:
                parent.chmod(parent.stat().st_mode | 0o055)
    uid = pwd.getpwnam(USER).pw_uid
    within(PATIENCE_S, lambda: Path(f"/run/user/{uid}/systemd/private").exists())
