"""One persistent Dagster instance per checkout or per user, found without the user exporting anything."""

import os
from pathlib import Path

import dagster as dg

from blut_resources.digest import digest_bytes
from blut_resources.home import find_home, store_root
from blut_resources.startup import put_off, without_collector
from blut_resources.store import ArtifactStore, file_lock, write_atomic
from blut_resources.store_files import explained

ALLOW_EPHEMERAL = "BLUT_ALLOW_EPHEMERAL"
TEMPORARY_PREFIX = ".tmp_dagster_home_"
INSTANCE_YAML = """\
storage:
  custom:
    module: blut_resources.instance_storage
    class: LockedSqliteStorage
    config: {base_dir: {env: DAGSTER_HOME}}
compute_logs:
  module: blut_resources.compute_logs
  class: LocalLogs
  config: {base_dir: {env: DAGSTER_HOME}}
python_logs: {python_log_level: INFO}
telemetry: {enabled: false}
nux: {enabled: false}
"""


class EphemeralInstance(Exception):
    """The Dagster instance would be deleted when the command ends, and every result forgotten."""


def open_instance() -> dg.DagsterInstance:
    """The instance at `find_home()`, made if it is not there.

    Raises:
        StoreError: it cannot be made there.
    """
    home = find_home()
    with explained(home):
        home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        with file_lock(home / ".instance.lock"):
            write_atomic(home / "dagster.yaml", INSTANCE_YAML.encode())
    os.environ["DAGSTER_HOME"] = str(home)
    with without_collector(), put_off():
        return dg.DagsterInstance.get()


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
    store = ArtifactStore(store_root(home))
    owner = store.root / "homes" / digest_bytes(str(home).encode())[:16]
    if not owner.exists():
        write_atomic(owner, str(home).encode())
    return store
