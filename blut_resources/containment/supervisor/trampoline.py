"""Forks the process that becomes the payload: it joins its cgroups, waits for ``go``, and executes.

Joining before ``go`` lets the owner see in the kernel what holds the process before the payload exists.
Loaded by the supervisor, hence without imports that cost time.
"""

from __future__ import annotations

from blut_resources.machine import wire

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
    import signal
    from typing import Any, NoReturn

    from blut_resources.machine.processes import ProcessTree

else:
    import _signal as signal
    import posix as os

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
OOM_SCORE = 500
"""When the whole machine is out of memory the kernel takes a payload, not the session or the daemon."""
NOT_STARTED = 127


class Waiting:
    """Stands for the payload to be.

    ``said`` tells ``+`` and what isolates it once it is ready, or why it is not; ``go`` lets it run.
    """

    def __init__(self, pid: int, said: int, go: int) -> None:
        self.pid, self.said, self.go = pid, said, go


def fork(spec: dict[str, Any], place: str, tree: ProcessTree, lease: int | None) -> Waiting:
    """Fork a process that waits for one byte on ``go``; it ends if the supervisor does."""
    said, say = os.pipe()
    wait, go = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        _become(spec, place, tree, lease, say, wait, parent)
    os.close(say)
    os.close(wait)
    return Waiting(pid, said, go)


# The order is what makes this safe. First the cgroup is joined: every allocation from then on counts.
# PDEATHSIG is set and *then* the parent is asked for: set after the parent's death it would never fire, so a
# supervisor that died in between is noticed by the number of the parent. The FIFO of the environment is
# opened before `+` is said, else the owner's open for writing would find no reader. Isolation comes last,
# since it takes away what the steps before need, and it changes credentials, which takes PDEATHSIG off: it is
# set again behind it. Nothing here may raise past `finally`: an exception that unwound into the supervisor's
# own frames would leave two supervisors of one unit.
#
# The environment comes through the FIFO rather than the spec because a file would leave secrets on disk.
def _become(
    spec: dict[str, Any], place: str, tree: ProcessTree, lease: int | None, say: int, wait: int, parent: int
) -> NoReturn:
    try:
        _restore_defaults()
        tree.join()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            given = os.open(f"{place}/environment", os.O_RDONLY | os.O_NONBLOCK)
            _set_up(spec, place, lease)
            os.write(say, b"+" + _isolate(spec))
            if os.read(wait, 1):
                command = [_encode(word) for word in spec["command"]]
                os.execve(_encode(spec["program"]), command, _read_variables(given))
    except OSError as error:
        where = error.filename or "a system call"
        os.write(
            say, (where if isinstance(where, bytes) else _encode(where)) + f": {error.strerror}".encode()
        )
    finally:
        os._exit(NOT_STARTED)


def _restore_defaults() -> None:
    """Undo what Python or the supervisor changed, for a program may expect to find it unchanged."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGCHLD", "SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def _set_up(spec: dict[str, Any], place: str, lease: int | None) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    log = os.open(f"{place}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, number in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, number)
    if lease is not None and not spec.get("isolation"):  # its supervisor holds it as well
        os.set_inheritable(lease, True)
    _be_killed_first()
    os.umask(spec["umask"])
    os.chdir(_encode(spec["cwd"]))
    _limit(spec.get("rlimits") or {})


def _isolate(spec: dict[str, Any]) -> bytes:
    """Take away what the process may not open, if it is to be isolated; returns what holds it to that."""
    if not spec.get("isolation"):
        return b""
    from blut_resources.containment.sandbox.enter import enforce

    held = enforce(spec["isolation"])
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # other credentials have taken it off
    return held.encode()


def _be_killed_first() -> None:
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        if int(os.read(fd, 16)) < OOM_SCORE:
            os.write(fd, str(OOM_SCORE).encode())
    except OSError:
        pass  # a sandbox without that; then the kernel chooses


def _limit(limits: dict[str, list[int]]) -> None:
    """Set limits by name to soft and hard value; never above the hard value that holds already."""
    if not limits:
        return
    import resource

    for name, wanted in limits.items():
        most = resource.getrlimit(getattr(resource, name))[1]
        soft, hard = (most if value == -1 or -1 < most < value else value for value in wanted)
        resource.setrlimit(getattr(resource, name), (soft, hard))


def _read_variables(given: int) -> dict[bytes, bytes]:
    """Returns what the owner writes into the FIFO, which it had open before it said ``go``."""
    os.set_blocking(given, True)
    text = b""
    while piece := os.read(given, 1 << 16):
        text += piece
    return {_encode(name): _encode(value) for name, value in wire.loads(text.decode("ascii")).items()}


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def prctl(option: int, value: int) -> None:
    """Change a setting that the os module has no function for."""
    call("prctl", option, value, 0, 0, 0)


def call(name: str, *arguments: int | bytes) -> int:
    """Call a function of the C library. ``ctypes`` would take 5 ms to import."""
    try:
        import _ctypes  # what ctypes is made of

        function = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # pyright: ignore[reportArgumentType]
        return _ctypes.call_function(function, arguments)
    except (ImportError, AttributeError):
        import ctypes

        return ctypes.CDLL(None)[name](*arguments)
