"""Opens the one persistent Dagster instance of a checkout or a user, found without exporting anything."""

import functools
import importlib
import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import dagster as dg

from blut_resources.boxes.owner import owner
from blut_resources.boxes.probe import refuse_loose_locks
from blut_resources.dagster_private import injection
from blut_resources.dagster_private.history import keeps_in_files
from blut_resources.dagster_private.names import TEMPORARY_HOME
from blut_resources.dagster_private.startup import put_off, without_collector, without_dialects
from blut_resources.files.address import plain_path
from blut_resources.files.clock import measure
from blut_resources.files.digest import digest_bytes
from blut_resources.files.durable import explained
from blut_resources.files.modes import INSTANCE_LOCK, follow_group, make_private, prepare_home
from blut_resources.instance.database import demand_driver, named, write_down
from blut_resources.instance.home import find_home, is_home, not_born, store_root
from blut_resources.instance.migration import migrate
from blut_resources.instance.renamed import carry_over
from blut_resources.machine.processes import machine
from blut_resources.remote.attached import with_remote
from blut_resources.store.artifacts import ArtifactStore, file_lock, write_atomic

ALLOW_EPHEMERAL = "BLUT_ALLOW_EPHEMERAL"
IDENTITY = ".identity"
"""The file that tells a home from others of the same path, on other machines."""
STORAGE = injection.Chosen(
    "blut_resources.instance_storage",
    "LockedSqliteStorage",
    [("blut_resources.instance_storage", "LockedSqliteStorage")],
)
POSTGRES = injection.Chosen("blut_resources.instance_postgres", "PostgresStorage", [])
LOGS = injection.Chosen(
    "blut_resources.runs.compute_logs", "MirroredLogs", [("blut_resources.compute_logs", "LocalLogs")]
)
INSTANCE_YAML = """\
# of Blut; storage and compute logs are Dagster's own: whoever opens this home needs nothing of Blut's
run_monitoring: {enabled: true, start_timeout_seconds: 300, cancel_timeout_seconds: 900}
python_logs: {python_log_level: INFO}
telemetry: {enabled: false}
nux: {enabled: false}
"""


_read_only: WeakSet[dg.DagsterInstance] = WeakSet()
"""Instances of this process that were opened to be read."""


class EphemeralInstance(Exception):
    """Says that the Dagster instance would be deleted when the command ends, and every result forgotten."""


def open_instance(*, write: bool = True) -> dg.DagsterInstance:
    """Returns the instance at `find_home()`.

    Where its ``dagster.yaml`` leaves storage and compute logs to Dagster, this process has faster ones; whom
    it hands its reference to has Dagster's own.

    Args:
        write: makes the instance if it is not there, and says so; lets one of an older version name
            Dagster's own classes. Without, nothing is made or changed, and what is not there is empty.

    Raises:
        StoreError: it cannot be made there, or is another user's.
    """
    home = find_home()
    with explained(home):
        older = _prepared(home) if write else _noted(home)
        if write:
            write_down(home)
    os.environ["DAGSTER_HOME"] = str(plain_path(home))
    instance = _opened(home, write=write)
    if older:
        for line in carry_over(instance):
            _say(line)
    return instance


def open_other(home: Path) -> dg.DagsterInstance:
    """Returns the instance of another home than this process's, to be read; nothing of it is changed."""
    return _opened(home, write=False)


def _opened(home: Path, *, write: bool) -> dg.DagsterInstance:
    storage = STORAGE if write else STORAGE._replace(name="ReadSqliteStorage")
    postgres = POSTGRES if write else POSTGRES._replace(name="ReadPostgresStorage")
    found = injection.reference(plain_path(home), storage, LOGS, named(home).settings)
    with without_collector():
        if found.base is not None:
            # what is put off migrates databases, and is called where that is needed
            with put_off(), without_dialects():
                importlib.import_module(storage.module)
        if found.postgres is not None:
            demand_driver()
            if write:  # other machines may have the same home
                refuse_loose_locks(home)
        instance = injection.opened(found, storage, LOGS, postgres)
    if not write:
        _read_only.add(instance)
    return instance


def _prepared(home: Path) -> bool:
    """Make an instance where there is none; says whether one of an older version was changed."""
    prepare_home(home)
    if is_home(home):
        return migrate(home)
    with file_lock(home / INSTANCE_LOCK):
        if not is_home(home):
            write_atomic(home / "dagster.yaml", INSTANCE_YAML.encode())
            _say(f"made a Dagster instance in {home}")
    return False


def _noted(home: Path) -> bool:
    """Say where there is no instance to be read."""
    if said := not_born(home):
        _say(said)
    follow_group(home)
    return False


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def home_of(instance: dg.DagsterInstance) -> Path:
    """Returns the directory of a persistent instance.

    Raises:
        EphemeralInstance: with the remedy, unless $BLUT_ALLOW_EPHEMERAL is set.
    """
    allowed = os.environ.get(ALLOW_EPHEMERAL)
    if instance.is_ephemeral and not allowed:
        raise EphemeralInstance(
            "this Dagster instance is in memory only and would forget the result: give another one with"
            " instance=, in a test the fixture `blut_assets.testing.blut_instance`, in a script"
            " `blut_resources.instance.instance.open_instance()`"
        )
    temporary = Path(instance.root_directory).name.startswith(TEMPORARY_HOME)
    if temporary and not allowed:
        raise EphemeralInstance(
            "this Dagster instance is temporary and would forget the result: run the command in the"
            " directory that holds `.env`, or export DAGSTER_HOME=/absolute/path, or use `blut recipe run`"
        )
    return _resolved(instance.root_directory)


@functools.cache
def _resolved(directory: str) -> Path:
    """Returns a path without links, looked up once: it is asked for a dozen times a payload."""
    return Path(directory).resolve()


def is_read_only(instance: dg.DagsterInstance) -> bool:
    """Says whether this process has opened an instance to be read, so that nothing is written beside it."""
    return instance in _read_only


def written_by(instance: dg.DagsterInstance) -> str:
    """Returns the name of the other machine that alone writes the history of an instance; empty if none."""
    return owner(home_of(instance)) if keeps_in_files(instance) else ""


def store_of(instance: dg.DagsterInstance) -> ArtifactStore:
    """Returns the artifact store that belongs to an instance; $BLUT_STORE puts it on another disk.

    Raises:
        StoreError: its directory cannot be made; it is named.
    """
    home = home_of(instance)
    if is_read_only(instance):
        return with_remote(ArtifactStore(store_root(home), remembers=False))
    root = store_root(home)
    with explained(root):
        store = ArtifactStore(make_private(root))
        follow_group(root)  # a store may be a group's while each of them has a home of their own
    if not os.access(root, os.W_OK):  # a colleague's, of which what is there can be used
        return ArtifactStore(root, remembers=False)
    measure(root)
    _identify(home)
    note = _note(store, home)
    if not note.exists():
        write_atomic(note, f"{home}\n{machine()}\n".encode())
    return with_remote(store)


class OtherHome(NamedTuple):
    """Describes another instance that keeps, or may keep, its results in a store.

    ``path`` is None where it cannot be looked at from here, ``words`` name it for a person.
    """

    path: Path | None
    words: str


def other_homes(instance: dg.DagsterInstance, store: ArtifactStore) -> list[OtherHome]:
    """Returns other instances that keep, or may keep, their results in a store.

    One whose directory is gone counts no more, but only on the machine on which it was.
    """
    home, found = home_of(instance), list[OtherHome]()
    homes = store.root / "homes"
    for note in sorted(homes.iterdir()) if homes.is_dir() else ():
        if note.name.startswith(".") or note.name == _note(store, home).name:
            continue
        path, _, where = note.read_text().strip().partition("\n")
        if not where and path == str(home):  # written by an older version
            continue
        if where and where != machine():
            gone = f"(if that is no more, remove {note})"
            found.append(OtherHome(None, f"{path} on {where.partition('/')[0]} {gone}"))
        elif (reachable := _is_there(Path(path))) is not False:
            found.append(OtherHome(Path(path) if reachable else None, path))
        elif not where:
            gone = f"(if that is no more, remove {note})"
            found.append(OtherHome(None, f"{path}, perhaps on another machine {gone}"))
    return found


def _is_there(home: Path) -> bool | None:
    """Says whether a home is there; None where this user may not look into it."""
    try:
        if not stat.S_ISDIR(home.stat().st_mode):
            return False
    except PermissionError:
        return None
    except OSError:
        return False
    return True if os.access(home, os.R_OK | os.X_OK) else None


def _identify(home: Path) -> None:
    """Give a home what tells it from others of the same path on other machines."""
    identity = home / IDENTITY
    if not identity.exists():
        with file_lock(home / INSTANCE_LOCK):
            if not identity.exists():
                write_atomic(identity, os.urandom(16).hex().encode())


def _note(store: ArtifactStore, home: Path) -> Path:
    """Returns the file by which a store knows one instance, of one that was never identified no file."""
    identity = home / IDENTITY
    known = identity.read_text() if identity.exists() else ""
    return store.root / "homes" / digest_bytes(f"{home} {known}".encode())[:16]
