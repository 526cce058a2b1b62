"""Lets a run outlive the terminal, the connection and the login that its command was typed in.

The command forks before it does anything. The child does what it would have done, on the same terminal and
with the same refusals; when only the run itself is left to do it leaves: a session of its own, its streams in
a file of the run. The parent waits until the run has begun, says how to follow it, and ends. If the child
ends before that, the parent ends with the child's status.
"""

# A second process of the same command, in place of the fork, would read its args, files and standard input a
# second time, and could read something else. The fork is the first thing that happens, so nothing is open in
# both: no database, no lock, no thread.

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.terminal import keep_on
from blut_assets.terminal.output import print_json, wrong
from blut_resources.machine.processes import read
from blut_resources.payloads.orchestrator import work_alone

if TYPE_CHECKING:
    import dagster as dg

Detach = Annotated[
    bool,
    typer.Option(
        "--detach",
        help="Come back as soon as it runs: it needs neither this terminal nor this login any more. What is"
        " refused is said before.",
    ),
]
DetachedAsJson = Annotated[bool, typer.Option("--json", help="With --detach: print as JSON which run it is.")]
LEAVES, BEGAN = "leaves", "began"
AT_ONCE_S = 0.3
SILENT_S = 2.0
"""Seconds after which a terminal that waits is told for what."""
MANAGER = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
LOGIND = ("busctl", "get-property", *MANAGER, "KillUserProcesses")
Told = dict[str, Any]

_parent: list[int] = []
"""The end of a pipe to whoever waits for the run to begin; empty where nobody does."""
_left: list[str] = []
"""The runs of this process that have a file in place of the terminal."""


def fork_if(detach: bool, as_json: bool) -> None:
    """Let another process do the rest of a command, if its run is to detach; this one ends when that began.

    Raises:
        typer.Exit: in this process, once the run has begun, or with the status of whoever could not begin it.
    """
    if as_json and not detach:
        wrong("--json says which run it is that goes on alone: give it with --detach")
    if not detach:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _parent.append(writer)
        return
    os.close(writer)
    raise typer.Exit(_see_off(pid, reader, as_json))


@contextlib.contextmanager
def away(
    instance: "dg.DagsterInstance", run_id: str, log: Path, refuse: Callable[[], None]
) -> Iterator[None]:
    """Leave the terminal for a run that is about to begin, if that is asked for.

    Args:
        log: the file of the run that takes what would be said.
        refuse: ends the command where the run could not do its work; called while somebody can hear it.
    """
    first = bool(_parent) and not _left
    if first:
        refuse()
        leave_for({"run_id": run_id}, log)
    elif _left:
        speak_into(_appended(log))
    if first or _left:
        _left.append(run_id)
    if first:
        from blut_resources.dagster_private.listening import listen

        listen(instance, run_id, lambda _: began())
    yield


def leave_for(what: Told, log: Path) -> None:
    """Leave the terminal for what is about to begin, if that is asked for, and tell who waits what it is.

    Args:
        what: its ``run_id``, or the id of a ``sweep``.
        log: the file that takes what would be said.
    """
    if _parent:
        into = _appended(log)
        _leave()
        work_alone()
        _tell({"what": LEAVES, **what, "log": str(log), "pid": os.getpid()})
        speak_into(into)


def _appended(log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)


def _leave() -> None:
    """Have no terminal any more, heed no signal that one sends, and hold nothing that others wait for."""
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # what a script starts in its background ignores it, and a cancel sends it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        _close_inherited(int(name))


def _close_inherited(number: int) -> None:
    """Close what the shell has handed down, such as a pipe to ssh, or a lock; Python's own is marked."""
    with contextlib.suppress(OSError):
        if number > 2 and not fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            os.close(number)


def speak_into(log: int) -> None:
    """Let a file take what this process says from now on, in place of a terminal; it reads nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for end, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(end, number)
    os.close(nothing)
    os.close(log)


def began() -> None:
    """Tell who waits, if somebody does, that what this process has left for has begun."""
    if _parent:
        _tell({"what": BEGAN})
        os.close(_parent.pop())


def no_parent() -> None:
    """Forget whoever waits for a run to begin: this process was forked of the one that tells it."""
    while _parent:
        os.close(_parent.pop())


def _tell(what: Told) -> None:
    with contextlib.suppress(OSError):  # who typed it may be gone
        os.write(_parent[0], json.dumps(what).encode() + b"\n")


def _see_off(pid: int, reader: int, as_json: bool) -> int:
    """Wait until the run has begun and say so; if its process ends before that, returns its status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    told: dict[str, Told] = {}
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        if not as_json:
            _say_if_slow(pipe, pid)
        while line := _line(pipe, pid):
            one = json.loads(line)
            told[one["what"]] = one
    if BEGAN in told:
        _say(told[LEAVES], as_json)
        return 0
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if LEAVES in told:  # it could not say it here any more
        with contextlib.suppress(OSError):
            typer.echo(Path(told[LEAVES]["log"]).read_text(errors="replace"), err=True, nl=False)
    return status if status >= 0 else 128 - status


def _say_if_slow(pipe: Any, pid: int) -> None:
    """Say for what a terminal waits, if it takes long: others that start at the same time make it take so."""
    if not _heeding(lambda: select.select([pipe], [], [], SILENT_S)[0], pid):
        typer.echo("starting; this comes back once the run has begun ...", err=True)


def _line(pipe: Any, pid: int) -> bytes:
    return _heeding(pipe.readline, pid)


def _heeding(wait: Callable[[], Any], pid: int) -> Any:
    """Returns what is waited for; an interrupt meanwhile is meant for the process that does the work."""
    while True:
        try:
            return wait()
        except KeyboardInterrupt:
            time.sleep(AT_ONCE_S)  # a terminal has sent it to both, and it may have ended already
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                os.kill(pid, signal.SIGINT)


def _interrupted(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _say(told: Told, as_json: bool) -> None:
    kind = "sweep" if "sweep" in told else "run"
    whole, log, pid = told.get("sweep") or told["run_id"], told["log"], told["pid"]
    short = whole[:8]
    keep_on(f"{kind} {short} goes on in the background")
    if as_json:
        print_json({"sweep" if kind == "sweep" else "run_id": whole, "log": log, "pid": pid})
    else:
        typer.echo(f"{kind} {short} goes on in the background, as process {pid}")
        if kind == "sweep":
            typer.echo(f"  blut sweep show {short}   says how far it is")
            typer.echo(f"  blut cancel {short}   ends it, with time for checkpoints")
        else:
            typer.echo(f"  blut log -f {short}   follows it, and ends with its status")
            typer.echo(f"  blut cancel {short}   ends it, with time for a checkpoint")
        typer.echo(f"  {log}   has what it says")
    if _ends_at_logout():
        typer.echo(
            "systemd ends what a login leaves behind here (KillUserProcesses=yes): `loginctl enable-linger`,"
            " then `systemd-run --user --scope blut ...`, or it ends when you log out",
            err=True,
        )


def _ends_at_logout() -> bool:
    """Says whether the processes of this login are ended with it: only those of a session's scope are."""
    if not re.search(r"/session-\w+\.scope", read("/proc/self/cgroup")):
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(LOGIND, capture_output=True, text=True, timeout=2)
        return asked.stdout.strip() == "b true"
    return False
