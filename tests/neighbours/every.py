"""``python -m tests.neighbours.every ORDERS RESULTS``: call `blut` many times.

Each call is in a process of its own, which is forked from one that has its imports already.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from tests.neighbours.homes import copied

READ_ANYTHING = 1 << 2
"""CAP_DAC_READ_SEARCH: the code that is tested may lie where only its owner looks."""


def main(orders: Path, results: Path) -> None:
    """Do what is ordered: a list of calls, each with ``words``, ``env``, ``cwd``, ``home``, ``user``."""
    wanted: list[dict[str, Any]] = json.loads(orders.read_text())
    warm = {**wanted[0], "env": {**wanted[0]["env"], "DAGSTER_HOME": str(results.with_name("warm"))}}
    _blut({**warm, "words": ["stage", "run", "neighbour/line"]}, results.with_name("said"))
    results.write_text(json.dumps([_called(order, results.with_name("said")) for order in wanted]))


def _called(order: dict[str, Any], said: Path) -> dict[str, Any]:
    home = Path(order["home"])
    before = contents(home)
    kept, ran = said.with_name("kept"), runs(home)
    if home.exists():
        copied(home, kept)
    status = _forked(order, said)
    after = contents(home)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    still = {run_id: status for run_id, status in runs(home).items() if run_id in ran}
    if changed:
        shutil.rmtree(home, ignore_errors=True)
        if kept.exists():
            copied(kept, home)
    shutil.rmtree(kept, ignore_errors=True)
    said_by = said.read_text(errors="replace")
    return {"status": status, "said": said_by, "changed": changed, "runs": still == ran}


def _forked(order: dict[str, Any], said: Path) -> int:
    said.write_text("")
    said.chmod(0o666)
    pid = os.fork()
    if not pid:
        status = 99
        try:
            status = _blut(order, said)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _blut(order: dict[str, Any], said: Path) -> int:
    from blut_assets.cli import main as blut

    opened = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    kept = os.dup(1), os.dup(2)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    os.chdir(order["cwd"])
    if order.get("user"):
        _become(order["user"])
    os.environ.clear()
    os.environ.update(order["env"])
    tempfile.tempdir = None  # it is looked for again
    sys.argv = ["blut", *order["words"]]
    streams, usual = [os.fdopen(number, "w", closefd=False) for number in (1, 2)], (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = streams  # which what takes their place does not close
    try:
        blut()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = usual
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
    return 0


def contents(home: Path) -> dict[str, str]:
    """What is in a directory: kind, mode, owner and bytes of each file."""
    found = {}
    for path in [home, *sorted(home.rglob("*"))] if home.exists() else []:
        state = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(state.st_mode) else b""
        link = str(path.readlink()) if path.is_symlink() else ""
        about = [oct(state.st_mode), state.st_uid, hashlib.sha256(data).hexdigest(), link]
        found[str(path.relative_to(home))] = " ".join(map(str, about))
    return found


def runs(home: Path) -> dict[str, str]:
    """The status of each run, read without a trace in the home."""
    path = home / "history" / "runs.db"
    if not path.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for file in path.parent.glob("runs.db*"):
            shutil.copy(file, folder)
        with contextlib.closing(sqlite3.connect(Path(folder, "runs.db"))) as connection:
            return dict(connection.execute("SELECT run_id, status FROM runs"))


def _become(user: int) -> None:
    """Make this process another user's, who may read everything and write what is that user's."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(READ_ANYTHING, READ_ANYTHING)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
