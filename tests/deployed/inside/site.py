"""A machine on which somebody has followed `docs/postgres.md`: Debian's PostgreSQL, the units, the user."""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.neighbours import toy
from tests.owners import within

OPT, ETC, UNITS = Path("/opt/blut"), Path("/etc/blut"), Path("/etc/systemd/system")
STATE = Path("/var/lib/blut")
PORT = 3000
PATIENCE_S = 900
"""Three processes import Dagster, each for half a minute here, and some minutes on a busy machine."""


def run(*words: object, **options: Any) -> str:
    """What a command says."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
    done = subprocess.run([str(word) for word in words], check=False, **how)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout.strip()


def start(*units: str) -> None:
    """Start units; what the journal has of them is said where one does not."""
    try:
        run("systemctl", "start", *units)
    except AssertionError as error:
        listed = [f"--unit={unit}" for unit in units]
        error.add_note(run("journalctl", "--no-pager", "--lines=50", *listed))
        raise


def install() -> None:
    """Do what the page says, in its order; the checkout is mounted where the units have it."""
    run("useradd", "--create-home", "blut")
    OPT.mkdir(parents=True)
    run("mount", "--bind", REPOSITORY, OPT)
    _readable()
    _database()
    for unit in (REPOSITORY / "deploy" / "systemd").glob("*.service"):
        shutil.copy(unit, UNITS)
        _as_this_machine_is(UNITS / f"{unit.name}.d")
    shutil.copy(REPOSITORY / "deploy" / "systemd" / "blut.env", ETC)
    run("systemctl", "daemon-reload")


def _readable() -> None:
    """The programs of whoever runs the tests, for everybody."""
    own = (REPOSITORY, Path(sys.prefix), Path(sys.executable).resolve(), Path(os.__file__).resolve().parent)
    for place in own:
        for path in (place, *place.parents):
            path.chmod(path.stat().st_mode | 0o055)


def _database() -> None:
    """Of Debian's cluster, as its postmaster's user makes it; the password is in one file, root's."""
    password = secrets.token_hex()
    start(database_unit())
    made = f"CREATE ROLE blut LOGIN PASSWORD '{password}'"
    run("psql", "-X", "-q", "-c", made, **as_postgres())
    run("createdb", "-O", "blut", "blut", **as_postgres())
    ETC.mkdir()
    (ETC / "pgpass").touch(0o600)
    (ETC / "pgpass").write_text(f"localhost:5432:blut:blut:{password}\n")


def _as_this_machine_is(directory: Path) -> None:
    """What the checkout of a test needs: a cookbook that loads at once, and a Python of somebody's home."""
    names = {"PYTHONPATH": f"{toy.install(Path('/opt/cookbook'))}:{OPT}", "BLUT_COOKBOOKS": "neighbour"}
    lines = ["[Service]", *(f"Environment={name}={value}" for name, value in names.items())]
    base = Path(sys.base_prefix)
    if base.parts[1] in ("root", "home"):
        lines += ["ProtectHome=tmpfs", f"BindReadOnlyPaths={base}"]
    directory.mkdir()
    (directory / "test.conf").write_text("\n".join(lines) + "\n")


def as_postgres() -> dict[str, Any]:
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


def database_unit() -> str:
    """Debian's unit of its first cluster."""
    (version,) = [path.name for path in Path("/etc/postgresql").iterdir()]
    return f"postgresql@{version}-main.service"


def sql(text: str) -> str:
    """What the database of the units answers, as plain lines."""
    return run("psql", "-X", "-A", "-t", "-d", "blut", "-c", text, **as_postgres())


def asked(unit: str, name: str) -> str:
    """A property of a unit."""
    return run("systemctl", "show", "--value", f"--property={name}", unit)


def said(unit: str) -> str:
    """What a unit has written since its last start."""
    return run(
        "journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={asked(unit, 'InvocationID')}"
    )


def token(unit: str = "blut-ui") -> str:
    """Of the link that the journal shows, once the UI is up."""
    within(PATIENCE_S, lambda: re.search(r"token=(\S+?)\)?\s", said(unit) + "\n"))
    found = re.search(r"http://127\.0\.0\.1:3000/\S*token=(\S+?)\)?\s", said(unit) + "\n")
    assert found, said(unit)
    return found[1]


def ask(query: str, word: str = "") -> tuple[int, Any]:
    """The status of the UI's answer, and what is in it."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {word}"}
    connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.status == 200 else text


def listening() -> list[str]:
    """The addresses, in hexadecimal, at which somebody listens on the port of the UI."""
    tables = [path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]
    rows = [line.split() for path in tables for line in path.read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{PORT:04X}")]


def processes(unit: str) -> set[int]:
    """Of a unit, and of units and cgroups below it."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            if f"/{unit}.service" in path.read_text():
                found.add(int(path.parent.name))
    return found


def beats_since(moment: str) -> int:
    """How many daemons have told the database that they live, after its clock showed this."""
    return int(sql(f"SELECT count(*) FROM daemon_heartbeats WHERE timestamp > '{moment}'"))


def now() -> str:
    """By the clock of the database, as Dagster writes times there."""
    return sql("SELECT now() AT TIME ZONE 'UTC'")


def recipe() -> str:
    """A run by the user of the units, with their history; its id."""
    password = STATE / ".pgpass"
    shutil.copy(ETC / "pgpass", password)
    shutil.chown(password, "blut", "blut")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(STATE),
        "DAGSTER_HOME": str(STATE / "home"),
        "PGPASSFILE": str(password),
        "PYTHONPATH": f"/opt/cookbook:{OPT}",
        "BLUT_COOKBOOKS": "neighbour",
        "BLUT_LEASES": str(STATE / "leases"),
    }
    account = {"user": "blut", "group": "blut", "extra_groups": [], "cwd": STATE}
    return run(OPT / ".venv" / "bin" / "blut", "recipe", "run", toy.RECIPE.name, env=env, **account)
