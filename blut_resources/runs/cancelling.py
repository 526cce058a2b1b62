"""Tells a run at work how much time its payloads get to end, where whoever cancels it says so; who may."""

import contextlib
import json
import math
import os
from pathlib import Path

from blut_resources.files.durable import write_atomic
from blut_resources.files.private import user_name
from blut_resources.runs.files import run_dir

CANCEL = "cancel.json"


def give_time(home: Path, run_id: str, grace_s: float) -> None:
    """Write down how many seconds a payload of a run gets between SIGTERM and SIGKILL from now on.

    Raises:
        StoreError: it cannot be written.
    """
    write_atomic(run_dir(home, run_id) / CANCEL, json.dumps({"grace_s": grace_s}).encode())


def ask(home: Path, run_id: str, grace_s: float | None) -> None:
    """Ask a run that works where no signal from here arrives to end; it looks every two seconds.

    Raises:
        StoreError: it cannot be written.
    """
    given = {} if grace_s is None else {"grace_s": grace_s}
    write_atomic(run_dir(home, run_id) / CANCEL, json.dumps({**given, "asked": True}).encode())


def is_asked(directory: Path) -> bool:
    """Says whether somebody has asked the run in a directory to end."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return json.loads((directory / CANCEL).read_bytes()).get("asked") is True
    return False


def time_given(home: Path, run_id: str) -> float | None:
    """Returns these seconds; None where nobody said any."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        seconds = float(json.loads((run_dir(home, run_id) / CANCEL).read_bytes())["grace_s"])
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    return None


def whose(pid: int) -> str:
    """Returns the name of the user of a process that this user may not signal; empty where he may, or it has
    ended.
    """
    try:
        os.kill(pid, 0)
    except PermissionError:
        with contextlib.suppress(OSError):
            return user_name(os.stat(f"/proc/{pid}").st_uid)  # noqa: PTH116
        return "another user"  # whose processes /proc hides
    except ProcessLookupError:
        pass
    return ""
