"""Does something in a process of its own, so that this one opens no database and starts no thread.

Whoever leads a sweep forks its workers at any time, and only such a process can be forked safely.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """Returns what a function returns in a copy of this process; where that ends early, so does this one.

    Raises:
        SystemExit: with the status of the other process, which has said why.
        Exception: what the function has raised.
    """
    reader, writer = os.pipe()
    pid = forked(lambda: _send(work, writer))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        sys.exit(status if status > 0 else 128 - status)
    found, error = pickle.loads(data)  # noqa: S301
    if error is not None:
        raise error
    return found


def _send(work: Callable[[], object], writer: int) -> None:
    try:
        said = pickle.dumps((work(), None))
    except Exception as error:
        said = _portable(error)
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(said)


def _portable(error: Exception) -> bytes:
    """Returns an error for the other process, which knows what to say; one that cannot go there is raised."""
    try:
        said = pickle.dumps((None, error))
        pickle.loads(said)  # noqa: S301
    except Exception:
        raise error from None
    return said


def forked(work: Callable[[], object]) -> int:
    """Returns the number of a new process that does something and ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
