"""One persistent Dagster instance per checkout or per user, found without the user exporting anything."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

import dagster as dg

from blut_resources.digest import digest_bytes
from blut_resources.store import ArtifactStore, file_lock, write_atomic

ALLOW_EPHEMERAL = "BLUT_ALLOW_EPHEMERAL"
TEMPORARY_PREFIX = ".tmp_dagster_home_"
INSTANCE_YAML = """\
storage:
  custom:
    module: blut_resources.instance_storage
    class: LockedSqliteStorage
    config: {base_dir: {env: DAGSTER_HOME}}
python_logs: {python_log_level: INFO}
telemetry: {enabled: false}
nux: {enabled: false}
"""

_held: dict[str, IO[str]] = {}


class EphemeralInstance(Exception):
    """The Dagster instance would be deleted when the command ends, and every result forgotten."""


def find_home(start: Path | None = None) -> Path:
    """The instance directory: $DAGSTER_HOME, else the enclosing checkout's, else the user's own."""
    exported = os.environ.get("DAGSTER_HOME")
    if exported:
        return Path(exported).resolve()
    start = (start or Path.cwd()).resolve()
    for directory in (start, *start.parents):
        if (directory / ".dagster" / "dagster.yaml").is_file():
            return directory / ".dagster"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "blut" / "dagster"


def open_instance() -> dg.DagsterInstance:
    """The instance at `find_home()`, made if it is not there; dead runs in it are marked as failed."""
    home = find_home()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        with file_lock(home / ".instance.lock"):
            write_atomic(home / "dagster.yaml", INSTANCE_YAML.encode())
    os.environ["DAGSTER_HOME"] = str(home)
    instance = dg.DagsterInstance.get()
    reap_dead_runs(instance)
    return instance


def home_of(instance: dg.DagsterInstance) -> Path:
    """The directory of a persistent instance.

    Raises:
        EphemeralInstance: with the remedy, unless $BLUT_ALLOW_EPHEMERAL is set.
    """
    temporary = instance.is_ephemeral or Path(instance.root_directory).name.startswith(TEMPORARY_PREFIX)
    if temporary and not os.environ.get(ALLOW_EPHEMERAL):
        raise EphemeralInstance(
            "this Dagster instance is temporary and would forget the result: run the command in the"
            " directory that holds `.env`, or export DAGSTER_HOME=/absolute/path, or use `blut recipe run`"
        )
    return Path(instance.root_directory).resolve()


def store_of(instance: dg.DagsterInstance) -> ArtifactStore:
    """The artifact store that belongs to an instance; $BLUT_STORE puts it on another disk."""
    home = home_of(instance)
    store = ArtifactStore(Path(os.environ.get("BLUT_STORE") or home / "store"))
    owner = store.root / "homes" / digest_bytes(str(home).encode())[:16]
    if not owner.exists():
        write_atomic(owner, str(home).encode())
    return store


def hold_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Show that the process of this run is alive, for as long as it is: the kernel drops the lock."""
    if run_id in _held:
        return
    reap_dead_runs(instance)
    alive = home_of(instance) / "alive"
    with file_lock(alive / ".lock"):
        handle = (alive / run_id).open("w")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[run_id] = handle


def reap_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process is gone, which Dagster would show as running for ever."""
    alive = home_of(instance) / "alive"
    if not alive.is_dir():
        return []
    # under the lock, so that a run that is just opening its file is not taken for a dead one
    with file_lock(alive / ".lock"):
        dead = [path for path in sorted(alive.iterdir()) if _is_dead(path)]
        for path in dead:
            path.unlink()
    return [path.name for path in dead if _report_dead(instance, path.name)]


def _report_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, "The process of this run died. Run the same command again to resume.")
    return True


def _is_dead(path: Path) -> bool:
    if path.name.startswith(".") or path.name in _held:
        return False
    with contextlib.suppress(OSError), path.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
