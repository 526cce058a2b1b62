"""Lets systemd hold units: transient services of the system manager (root) or of the user's own one.

The supervisor is the service's main process. The manager ends what the supervisor leaves, however that died,
and the recorder, run by the manager at the very end, keeps the cause and the peak. All services are in
``blut.slice``; ``systemctl [--user] set-property blut.slice MemoryMax=...`` caps the sum of them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import (
    STOPPED,
    UP,
    BackendError,
    Request,
    prepared,
    read_json,
    supervisor_command,
)
from blut_resources.machine.cgroupfs import Cgroup, memory_cgroup
from blut_resources.machine.processes import start_time
from blut_resources.settings import origin, settings

SLICE = "blut.slice"
MANAGER_ENV = "BLUT_SYSTEMD_MANAGER"
"""``user`` or ``system``; by default system for root and user for everybody else."""
RECORDER = Path(__file__).with_name("recorder.sh")
CALL_TIMEOUT_S = 30.0
RECORD_S = 5.0
"""How long the manager may take from the supervisor's end to the recorder's, and from there to the unit's."""
BACKSTOP_S = 15.0
"""How much later than the supervisor the manager ends a unit that runs too long or does not stop."""


class Systemd:
    """Runs transient services. ``manager`` is ``user``, ``system`` or None for the usual one."""

    name = "systemd"
    contains = True

    def __init__(self, manager: str | None = None) -> None:
        usual = "user" if os.geteuid() else "system"
        self.manager = manager or settings().get(MANAGER_ENV) or usual

    def unavailable(self) -> str | None:
        if self.manager not in ("user", "system"):
            return f"{origin(MANAGER_ENV)}={self.manager!r}: must be user or system"
        if not shutil.which("systemd-run"):
            return "systemd-run is not installed"
        if not Path("/run/systemd/system").is_dir():
            return "systemd does not run this machine"
        socket = _runtime_directory() / "systemd" / "private"
        if self.manager == "user" and not socket.exists():
            remedy = f"start one: loginctl enable-linger {_user()}"
            return f"no systemd user manager of {_user()} is running; {remedy}"
        return None

    def prepare(self, request: Request) -> dict[str, Any]:
        notes = []
        user = _user()
        if self.manager == "user" and not Path("/var/lib/systemd/linger", user).exists():
            notes.append(f"it ends when {user} logs out, unless you say: loginctl enable-linger {user}")
        limit = request.limits.memory_max
        return {"inside": True, "limit": limit, "manager": self.manager, "notes": notes}

    def start(self, request: Request) -> None:
        properties = [f"--property={name}={value}" for name, value in _properties(request).items()]
        command = [
            "systemd-run",
            f"--{self.manager}",
            "--quiet",
            "--collect",
            "--no-ask-password",
            "--service-type=exec",
            f"--unit={_unit(request)}",
            f"--slice={SLICE}",
            f"--description=Blut payload {request.name}",
            *properties,
            "--",
            # the manager would put its own environment in place of $NAME
            *(word.replace("$", "$$") for word in supervisor_command(request)),
        ]
        try:
            done = _call(command)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendError(f"systemd-run did not start {_unit(request)}: {error}") from error
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise BackendError(f"systemd-run did not start {_unit(request)}: {said}")

    def memory_max(self, pid: int, request: Request) -> int | None:
        """Returns the bytes that hold, and None also if the process is not in a cgroup of the unit's own:
        then the manager has set no limit, whatever its properties say (a user's manager on cgroup v1,
        controllers mounted read-only).
        """
        cgroup = _own_cgroup(pid, request)
        if cgroup and cgroup.version == 2:
            # see OOMPolicy below; who may start the unit may also write this
            cgroup.write("memory.oom.group", 1)
        return cgroup.limit() if cgroup else None

    def peak(self, request: Request) -> int | None:
        stopped = read_json(request.place / STOPPED)
        if stopped:
            return stopped.get("peak")
        up = read_json(request.place / UP)
        cgroup = _own_cgroup(up["pid"], request) if up else None
        return cgroup.peak() if cgroup else None

    def kill(self, request: Request) -> None:
        """Kill the supervisor: the manager then kills the rest and runs the recorder,
        which a signal to the whole unit could hit instead.
        """
        up = read_json(request.place / UP)
        if not up:
            self._systemctl(request, "kill", "--signal=SIGKILL")
        elif start_time(up["pid"]) == up["start"]:
            with suppress(ProcessLookupError):
                os.kill(up["pid"], signal.SIGKILL)

    def clean(self, request: Request) -> None:
        """Wait, for seconds at most, until the manager has removed the unit and its cgroup."""
        if (request.place / UP).exists():
            _within(RECORD_S, (request.place / STOPPED).exists)
        cgroup = (read_json(request.place / STOPPED) or {}).get("cgroup")
        if not cgroup or not _within(RECORD_S, lambda: not Path(cgroup).exists()):
            self._systemctl(request, "stop")

    def _systemctl(self, request: Request, *words: str) -> None:
        """Call systemctl and ignore a failure: a unit that is gone is what was wanted."""
        manager = prepared(request).get("manager", self.manager)
        with suppress(OSError, subprocess.TimeoutExpired):
            _call(["systemctl", f"--{manager}", "--quiet", "--no-ask-password", *words, _unit(request)])


def _unit(request: Request) -> str:
    return f"{request.name}.service"


def _properties(request: Request) -> Mapping[str, object]:
    limits = request.limits
    wall = limits.wall_clock_s and limits.wall_clock_s + request.grace_s + BACKSTOP_S
    recorder = (RECORDER, request.place, _unit(request), sys.executable)
    wanted = {
        "MemoryMax": limits.memory_max,
        "MemoryHigh": limits.memory_high,
        "MemorySwapMax": limits.swap_max if limits.memory_max else None,
        "TasksMax": limits.tasks_max,
        "CPUWeight": limits.cpu_weight,
        "CPUQuota": limits.cpus and f"{limits.cpus * 100:g}%",
        "RuntimeMaxSec": wall,
        "TimeoutStopSec": request.grace_s + BACKSTOP_S,
        # "kill" and "stop" may skip the recorder or end it too: the manager acts when it hears of the OOM,
        # before or after it hears of the main process's death. So the kernel is told to kill all at once.
        "OOMPolicy": "continue",
        "KillMode": "mixed",
        "ExecStopPost": ":/bin/sh " + " ".join(map(_quoted, recorder)),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _quoted(word: str | Path) -> str:
    """Returns one word of a unit file's command line;
    its ``:`` keeps the manager from expanding variables.
    """
    return '"' + str(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _own_cgroup(pid: int, request: Request) -> Cgroup | None:
    cgroup = memory_cgroup(pid)
    return cgroup if cgroup and cgroup.path.name == _unit(request) else None


def _within(timeout_s: float, happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _runtime_directory() -> Path:
    return Path(f"/run/user/{os.geteuid()}")


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Call a client of the manager;
    a login shell's variable may be missing, or be somebody else's after su.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(_runtime_directory())}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CALL_TIMEOUT_S,
    )
