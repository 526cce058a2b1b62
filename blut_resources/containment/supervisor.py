"""Stands between Blut and a payload so that no process of the payload's tree outlives either of them.

``python supervisor.py LIFELINE_FD GRACE_S COMMAND...`` becomes the reaper of every orphan below it
(PR_SET_CHILD_SUBREAPER). When the other end of the lifeline closes, because its owner died however
violently, or on SIGTERM or SIGINT, the tree gets SIGTERM, after the grace period SIGKILL. When the command
ends by itself, stragglers are killed and its exit status or signal becomes the supervisor's own.
Standard library only: it starts before every payload.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{task}/children") as children:  # noqa: PTH123
                found += [int(child) for child in children.read().split()]
    except OSError:
        return found
    return found + [grandchild for child in found for grandchild in _descendants(child)]


def _signal_tree(number: int) -> None:
    for pid in _descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap(command: int) -> int | None:
    """Collect every ended child; the wait status of the command once it is among them."""
    status = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == command:
            status = raw


def _kill_everything(command: int, status: int | None) -> int | None:
    while _descendants(os.getpid()):
        _signal_tree(signal.SIGKILL)
        time.sleep(0.005)
        ended = _reap(command)
        status = status if ended is None else ended
    return status


def _supervise(lifeline: int, grace: float, command: int, wake: int) -> int | None:
    deadline, stopping = None, False
    while True:
        status = _reap(command)
        if status is not None:
            return _kill_everything(command, status)
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([wake] if stopping else [lifeline, wake], [], [], timeout)
        if not ready:
            return _kill_everything(command, None)
        numbers = os.read(wake, 64) if wake in ready else b""
        hung_up = lifeline in ready and os.read(lifeline, 1) == b""
        if not stopping and (hung_up or {signal.SIGTERM, signal.SIGINT} & set(numbers)):
            stopping, deadline = True, time.monotonic() + grace
            _signal_tree(signal.SIGTERM)


def main(argv: list[str]) -> None:
    lifeline, grace, command = int(argv[1]), float(argv[2]), argv[3:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_CLOSE, lifeline)],
        setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGCHLD],
    )
    status = _supervise(lifeline, grace, pid, wake_read)
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    if code < 0:
        # die of the same signal, so that the parent sees the cause and not a number above 128
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv)
