"""Finds the database in which the history of a home is: none, for SQLite in the home itself, or a PostgreSQL.

``$BLUT_DATABASE``, or a line ``database:`` in the ``dagster.yaml`` of the home, names one. The first command
that writes puts it into that file as Dagster's own storage, so that a webserver or a daemon without Blut, and
a command without the variable, find the same history.
"""

import contextlib
import functools
import importlib.util
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import yaml

from blut_resources.boxes.locks import ServerLock
from blut_resources.dagster_private.injection import YAML
from blut_resources.dagster_private.pool import ReadConnection
from blut_resources.database.address import VARIABLE, Address, AddressRefused, asked, parse, read
from blut_resources.files.durable import StoreError, file_lock, write_atomic
from blut_resources.files.modes import INSTANCE_LOCK

KEY = "database"
OWN_LINE = re.compile(rf"^{KEY}[ \t]*:.*\n?", re.MULTILINE)
OLDER = "blut_resources.instance_storage"
SEPARATE = ("run_storage", "event_log_storage", "schedule_storage")
COPY = "`blut database copy` moves it over"


class Named(NamedTuple):
    """Says in which database a history is, and the settings that name it, where the file does not."""

    address: Address | None
    settings: str | None = None
    is_new: bool = False


def named(home: Path) -> Named:
    """Returns the database of a home; without one, its history is in the home.

    Raises:
        AddressRefused: what names it cannot be read, or holds a password; or the history is elsewhere.
    """
    path = home / YAML
    text = path.read_text() if path.is_file() else ""
    said = _loaded(text)
    wanted, by = asked(), f"${VARIABLE}"
    if KEY in said:
        own = parse(str(said[KEY] or ""), f"{path}: {KEY}")
        if wanted is not None and not wanted.is_same(own):
            raise _another(path, own, wanted)
        wanted, by = wanted or own, f"{path}: {KEY}"
    there = _storage_of(said, path)
    if isinstance(there, Address):
        if wanted is None or wanted == there:
            return Named(there)
        if not wanted.is_same(there):
            raise _another(path, there, wanted)
        return Named(wanted, with_storage(text, wanted))
    if wanted is None:
        return Named(None)
    if there:
        raise AddressRefused(
            f"{by} names {wanted.words}, and {path} {there} as the storage: remove that from the file, or"
            f" unset ${VARIABLE}"
        )
    if count := runs_in(home):
        raise AddressRefused(
            f"{by} names {wanted.words}, and the history of {home} is in the home itself ({count} runs):"
            f" {COPY}, or unset ${VARIABLE}"
        )
    return Named(wanted, with_storage(text, wanted), is_new=True)


def write_down(home: Path) -> None:
    """Let the ``dagster.yaml`` of a home name the database that it is to have, and say so.

    Where the file cannot be written, it works as it is, for processes of Blut's.
    """
    if not named(home).is_new:
        return
    path = (home / YAML).resolve()
    with contextlib.suppress(OSError), file_lock(home / INSTANCE_LOCK):
        found = named(home)
        if found.settings is None or not found.is_new or found.address is None:
            return
        try:
            write_atomic(path, found.settings.encode())
        except StoreError:
            return
        print(f"{path} names {found.address.words} now, as Dagster's own storage", file=sys.stderr)


def lock_of_server(history: dg.DagsterInstance | Path, name: str) -> ServerLock | None:
    """Returns what holds a name in the database of a history; None where that is in no such database.

    Args:
        history: an instance, or its home.

    Raises:
        AddressRefused: what names the database of the home cannot be read.
    """
    if isinstance(history, Path):
        address = named(history).address
    else:
        url = getattr(history.run_storage, "postgres_url", "")
        address = read(url, "the storage") if url else None
    if address is None:
        return None
    from blut_resources.database.locks import held

    return functools.partial(held, address, name)


def keeps_own(home: Path) -> None:
    """Refuse a home whose history is not in the home itself.

    Raises:
        AddressRefused: its settings name another storage.
    """
    path = home / YAML
    said = _loaded(path.read_text() if path.is_file() else "")
    there = _storage_of(said, path) or (KEY in said and "a database")
    if there:
        what = there.words if isinstance(there, Address) else there
        raise AddressRefused(f"the history of {home} is not in the home: {path} names {what}")


def demand_driver() -> None:
    """Refuse to go on without what a history in PostgreSQL is reached by.

    Raises:
        StoreError: it is not installed.
    """
    lacks = [name for name in ("dagster_postgres", "psycopg2") if importlib.util.find_spec(name) is None]
    if lacks:
        raise StoreError(
            f"the history of this home is in PostgreSQL, and {lacks[0]} is not installed: pip install"
            " 'blut[postgres]'"
        )


def with_storage(text: str, address: Address) -> str:
    """Returns a ``dagster.yaml`` that names a database as Dagster's own storage.

    Raises:
        AddressRefused: it is not plain how.
    """
    other = _without_block(OWN_LINE.sub("", text), "storage")
    before = f"{other.rstrip()}\n" if other.strip() else ""
    block = yaml.safe_dump({"storage": {"postgres": {"postgres_url": address.url}}}, sort_keys=False)
    after = before + block
    kept = {key: value for key, value in _loaded(text).items() if key not in (KEY, "storage")}
    if {key: value for key, value in _loaded(after).items() if key != "storage"} != kept:
        raise AddressRefused(
            f"{YAML}: write `{' '.join(block.split())}` into it yourself, and nothing else of it"
        )
    return after


def runs_in(home: Path) -> int:
    """Returns how many runs the SQLite history of a home has; 0 where there is none."""
    path = home / "history" / "runs.db"
    if not path.is_file() or not path.stat().st_size:
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path, factory=ReadConnection)) as connection:
            return connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def _loaded(text: str) -> dict[str, Any]:
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError:  # Dagster says it better
        return {}
    return said if isinstance(said, dict) else {}


def _storage_of(said: dict[str, Any], path: Path) -> Address | str:
    """Returns the database that settings name as Dagster's storage; what else, in words; empty for SQLite."""
    storage = said.get("storage")
    if isinstance(storage, dict) and isinstance(postgres := storage.get("postgres"), dict):
        return _address_of(postgres, path) or "a PostgreSQL by other means than one address"
    if isinstance(storage, dict) and OLDER not in str(storage):
        return f"{next(iter(storage), 'something')}"
    return next((f"a {name}" for name in SEPARATE if name in said), "")


def _address_of(postgres: dict[str, Any], path: Path) -> Address | None:
    url, parts = postgres.get("postgres_url"), postgres.get("postgres_db")
    if isinstance(url, str):
        return read(url, f"{path}: storage")
    words = ("username", "hostname", "port", "db_name")
    if isinstance(parts, dict) and all(isinstance(parts.get(name, ""), str | int) for name in words):
        user, host, port, name = (str(parts.get(name, "")) for name in words)
        return Address(user, host, port, name)
    return None


def _without_block(text: str, key: str) -> str:
    """Returns settings without one of them, and all that is indented below it."""
    return re.sub(rf"^{key}[ \t]*:.*\n?(?:^(?:[ \t]+.*|[ \t]*)\n?)*", "", text, flags=re.MULTILINE)


def _another(path: Path, own: Address, wanted: Address) -> AddressRefused:
    return AddressRefused(
        f"${VARIABLE} names {wanted.words}, and {path} {own.words}: a home has one history; unset the"
        " variable, or name another home in $DAGSTER_HOME"
    )
