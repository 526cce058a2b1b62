"""A database of others is read, and makes nobody wait, spill or swap."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cookbooks.llm.data import database_bounds
from cookbooks.llm.data.database import read_database
from cookbooks.llm.data.problems import DataError, Problems
from tests.conftest import REPOSITORY

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, 'user', 'x' FROM n"
CROSS = "SELECT a.x, a.x, 'user', 'x' FROM t a, t b, t c, t d, t e WHERE a.x + b.x + c.x + d.x + e.x < 0"
MANY = "SELECT a.x, a.x, 'user', a.y FROM t a, t b, t c"


def database(directory: Path, view: str) -> Path:
    path = directory / "talks.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x INTEGER, y TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, "y" * 1000) for n in range(300)])
        connection.execute(f"CREATE VIEW turns (conversation_id, timestamp, role, content) AS {view}")
    connection.close()
    return path


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (ENDLESS, "not authorized"),
        (CROSS, r"no row came in 0\.5 s; give a plain table turns in place of the view"),
        (MANY, "temporary files grew beyond 1 MiB; give a plain"),
        ("SELECT 1, 1, 'user', hex(zeroblob(1000000000))", "string or blob too big"),
    ],
)
def test_a_view_that_never_ends_or_makes_gigabytes_is_stopped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str, words: str
) -> None:
    monkeypatch.setattr(database_bounds, "STALL_S", 0.5 if view == CROSS else 60)
    monkeypatch.setattr(database_bounds, "FREE", 0)
    monkeypatch.setattr(database_bounds, "FACTOR", 5)
    with pytest.raises(DataError, match=f"talks.db: .*({words})"):
        list(read_database(database(tmp_path, view), Problems()))


def test_ctrl_c_gets_through_while_sqlite_works(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cookbooks.llm.data.database import read_database;"
        "from cookbooks.llm.data.problems import Problems; print('begins', flush=True);"
        "list(read_database(Path(sys.argv[1]), Problems()))"
    )
    command = [sys.executable, "-c", code, str(database(tmp_path, CROSS))]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout and reader.stdout.readline() == "begins\n"
        while not any("talks.db" in os.readlink(fd) for fd in Path(f"/proc/{reader.pid}/fd").iterdir()):  # noqa: PTH115
            time.sleep(0.01)
        reader.send_signal(signal.SIGINT)
        reader.communicate(timeout=60)
    assert reader.returncode == -signal.SIGINT
