"""A PostgreSQL of the tests' own, databases in it, and a home whose history is in one."""

import functools
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lacking import lacking

USER = "blut"
GUARDED = "guarded"
"""A user who needs a password, which is `SECRET`."""
SECRET = "not-in-any-file"
PATIENCE_S = 60
CHOICE, PORT, LIKE = "BLUT_TESTS_ON", "BLUT_TESTS_PORT", "blut_like"
"""Variables that let all tests have their histories in a server; and the database that each is a copy of."""
MAKERS = {"shipped", "Scene", "Box"}
YAML = """\
storage:
  postgres:
    postgres_db:
      {{hostname: 127.0.0.1, port: {port}, username: blut, password: none, db_name: {name},
        scheme: postgresql+psycopg2}}
telemetry: {{enabled: false}}
"""
HBA = f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n"


@functools.cache
def programs() -> Path:
    """Where the programs of the server are; the test is skipped where there are none."""
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = [*debian, *(Path(path).parent for path in [shutil.which("initdb")] if path)]
    if not found or importlib.util.find_spec("dagster_postgres") is None:
        lacking("PostgreSQL: apt-get install postgresql, and pip install dagster-postgres")
    return found[0]


_for_all: list["Server"] = []


class Server:
    """A server on the loopback, which refuses to be root's."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory, self.options = directory, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        directory.mkdir()
        account = pwd.getpwnam("nobody")
        self._who: dict[str, Any] = {
            **({"user": account.pw_uid, "group": account.pw_gid} if os.geteuid() == 0 else {}),
            "cwd": directory,
            "env": {"PATH": os.environ["PATH"]},
        }
        if os.geteuid() == 0:
            os.chown(directory, account.pw_uid, account.pw_gid)
        words = ["initdb", "-D", directory / "data", "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run([*self._words(words)], check=True, capture_output=True, **self._who)
        (directory / "data" / "pg_hba.conf").write_text(HBA)
        self.process: subprocess.Popen[Any] | None = None

    def _words(self, words: list[object]) -> list[str]:
        return [str(programs() / str(words[0])), *map(str, words[1:])]

    def start(self) -> None:
        where = ["-k", self.directory, "-h", "127.0.0.1", "-p", self.port, "-c", "fsync=off"]
        words = self._words(["postgres", "-D", self.directory / "data", *where, *self.options])
        with (self.directory / "log").open("ab") as log:
            process = self.process = subprocess.Popen(words, stdout=log, stderr=log, **self._who)
        deadline = time.monotonic() + PATIENCE_S
        ready = self._words(["pg_isready", "-h", "127.0.0.1", "-p", self.port, "-q"])
        while subprocess.run(ready, check=False).returncode:
            said = (self.directory / "log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)

    def stop(self) -> None:
        """As ``pg_ctl stop -m fast`` does: whoever is connected is cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
            self.process = None

    def sql(self, text: str, database: str = "postgres") -> str:
        """What the server answers, as plain lines."""
        return psql(self.port, text, database)

    def address(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self, like: str = "") -> str:
        """A new database's address; empty, or a copy of another one."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {like} STRATEGY file_copy" if like else ""))
        return self.address(name)


def psql(port: int, text: str, database: str = "postgres") -> str:
    """What a server answers, as plain lines."""
    words = ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", USER]
    command = [str(programs() / "psql"), *words, "-d", database, "-c", text]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def shipped() -> str:
    """The settings of a home as Blut ships them; with a database of its own where all tests use one."""
    text = (Path(__file__).parent.parent / ".dagster" / "dagster.yaml").read_text()
    if port := os.environ.get(PORT):
        name = f"h{uuid.uuid4().hex[:12]}"
        psql(int(port), f"CREATE DATABASE {name} TEMPLATE {LIKE} STRATEGY file_copy")
        text += f"storage: {{postgres: {{postgres_url: 'postgresql+psycopg2://{USER}@127.0.0.1:{port}/{name}'}}}}\n"
    return text


def drop(settings: str) -> None:
    """Drop the database that such settings name, if they name one."""
    if (port := os.environ.get(PORT)) and (found := re.search(r"/(h[0-9a-f]{12})'", settings)):
        psql(int(port), f"DROP DATABASE IF EXISTS {found[1]} WITH (FORCE)")


def begin_for_all() -> None:
    """Start the server of `make test-postgres`, once for all its processes."""
    if os.environ.get(CHOICE) != "postgres" or PORT in os.environ:
        return
    from blut_resources.dagster_private.postgres_birth import make_tables
    from blut_resources.database.address import parse
    from blut_resources.database.connections import Connections

    root = Path(tempfile.mkdtemp(prefix="blut-postgres-", dir="/tmp"))
    root.chmod(0o755)
    server = Server(root / "server", "-c", "max_connections=300")
    server.start()
    server.sql(f"CREATE DATABASE {LIKE}")
    pool = Connections(parse(server.address(LIKE)))
    make_tables(pool)
    pool.close()
    os.environ[PORT] = str(server.port)
    _for_all.append(server)


def keeps_history(item: pytest.Item) -> bool:
    """Says whether a test may have a history in that server: by its fixtures, or by what its module can make.

    `shipped` alone puts one there. What makes a home with it is known by name to whoever uses it.
    """
    if not isinstance(item, pytest.Function):
        return False
    made = [found[-1].func for found in item._fixtureinfo.name2fixturedefs.values()]
    own = [func.__globals__ for func in made if func.__module__ != "tests.conftest"]
    return "home" in item.fixturenames or any(MAKERS & names.keys() for names in (vars(item.module), *own))


def end_for_all() -> None:
    """Stop it."""
    for server in _for_all:
        server.stop()
        shutil.rmtree(server.directory.parent, ignore_errors=True)


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Server]:
    """A server for as long as the block."""
    programs()
    server = Server(directory, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for all tests of a process."""
    root = Path(tempfile.mkdtemp(prefix="blut-postgres-", dir="/tmp"))
    root.chmod(0o755)
    with running(root / "server") as server:
        server.sql(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{SECRET}'")
        yield server
    shutil.rmtree(root)


@pytest.fixture
def database(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database, which every command of the test is told."""
    address = server.database()
    monkeypatch.setenv("BLUT_DATABASE", address)
    return address


def on_postgres(home: Path, server: Server) -> str:
    """A home of another project's with one run, in a database. Returns the run's id."""
    import dagster as dg

    from tests.neighbours.homes import theirs

    home.mkdir()
    name = server.database().rpartition("/")[2]
    (home / "dagster.yaml").write_text(YAML.format(port=server.port, name=name))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return dg.materialize([theirs], instance=instance).run_id
