"""A PostgreSQL of a test's own, and a home whose history is in it."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from tests.lacking import lacking
from tests.neighbours.homes import theirs
from tests.neighbours.hosts import PATIENCE_S, free_port

USER = "blut"
YAML = """\
storage:
  postgres:
    postgres_db:
      {{hostname: 127.0.0.1, port: {port}, username: blut, password: none, db_name: postgres,
        scheme: postgresql+psycopg2}}
telemetry: {{enabled: false}}
"""


def programs() -> Path:
    """Where the programs of the server are; the test is skipped where there are none."""
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = [*debian, *(Path(path).parent for path in [shutil.which("initdb")] if path)]
    if not found or importlib.util.find_spec("dagster_postgres") is None:
        lacking("PostgreSQL: apt-get install postgresql, and pip install dagster-postgres")
    return found[0]


@contextmanager
def postgres(directory: Path) -> Iterator[int]:
    """Run a server on the loopback, which refuses to be root's; gives its port."""
    binaries, port = programs(), free_port()
    account = pwd.getpwnam("nobody")
    directory.mkdir()
    os.chown(directory, account.pw_uid, account.pw_gid)
    who = {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "cwd": directory,
        "env": {"PATH": os.environ["PATH"]},
    }
    make = [
        binaries / "initdb",
        "-D",
        directory / "data",
        "-U",
        USER,
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run([*map(str, make)], check=True, capture_output=True, **who)
    options = ["-k", directory, "-h", "127.0.0.1", "-p", port, "-c", "fsync=off"]
    words = [binaries / "postgres", "-D", directory / "data", *options]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*map(str, words)], stdout=log, stderr=log, **who)
    try:
        deadline = time.monotonic() + PATIENCE_S
        ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None and time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def on_postgres(home: Path, port: int) -> str:
    """A home of another project's with one run, in the database. Returns the run's id."""
    home.mkdir()
    (home / "dagster.yaml").write_text(YAML.format(port=port))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return dg.materialize([theirs], instance=instance).run_id
