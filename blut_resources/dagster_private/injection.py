"""Opens an instance with storages of this process's own choice, of which its reference says nothing.

A child process, such as a code server, gets the reference of its parent's instance and opens that. Its
environment may lack what is chosen here, so what it gets names Dagster's own classes only.

Public API opens an instance as its ``dagster.yaml`` says. When Dagster changes, look at ``from_dir`` and
``config_defaults`` and ``defs_state_storage`` of ``InstanceRef``, at ``create_instance_from_ref``, at
``_ref`` and ``compute_log_manager`` of ``DagsterInstance``, and at ``UPathDefsStateStorage``.
"""

import functools
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage
from dagster._serdes import ConfigurableClassData

from blut_resources.database.address import DRIVER

YAML = "dagster.yaml"
SQLITE = ("dagster._core.storage.sqlite_storage", "DagsterSqliteStorage")
POSTGRES = ("dagster_postgres", "DagsterPostgresStorage")
PLAIN = ("postgresql", "postgres")
FILES = ("dagster._core.storage.local_compute_log_manager", "LocalComputeLogManager")


class Chosen(NamedTuple):
    """Names a class that takes a place, and the classes in whose place it may be, as module and name."""

    module: str
    name: str
    instead_of: Collection[tuple[str, str]]


class InstanceReference(NamedTuple):
    """Says what a home's ``dagster.yaml`` asks for.

    ``stock`` names Dagster's own storage where the file names it, nothing, or an older class of Blut's.
    ``base`` is the directory of its SQLite databases, None for any other storage; ``logs`` that of its
    compute logs, None likewise. ``postgres`` is what a PostgreSQL is configured by, None likewise.
    """

    stock: InstanceRef
    base: Path | None
    logs: Path | None
    postgres: Mapping[str, Any] | None = None


def reference(home: Path, storage: Chosen, logs: Chosen, settings: str | None = None) -> InstanceReference:
    """Returns what a home's ``dagster.yaml`` asks for; without one, Dagster's defaults.

    Raises:
        dagster.DagsterInvalidConfigError: the file cannot be used.

    Args:
        settings: what counts instead of the file.
    """
    ref = _read(home, settings)
    defaults = InstanceRef.config_defaults
    base = _base_of(ref.storage_data, (SQLITE, *storage.instead_of))
    if base is not None:
        known = defaults(str(base))
        ref = ref._replace(
            storage_data=known["storage"],
            run_storage_data=known["run_storage"],
            event_storage_data=known["event_log_storage"],
            schedule_storage_data=known["schedule_storage"],
        )
    older = _base_of(ref.compute_logs_data, logs.instead_of)
    if older is not None:
        ref = ref._replace(compute_logs_data=defaults(str(older))["compute_logs"])
    ref, postgres = _with_driver(ref)
    return InstanceReference(ref, base, _base_of(ref.compute_logs_data, (FILES,)), postgres)


def opened(found: InstanceReference, storage: Chosen, logs: Chosen, postgres: Chosen) -> dg.DagsterInstance:
    """Returns the instance with these classes where it would have Dagster's own, else as it says."""
    faster = found.stock
    if found.base is not None:
        faster = faster._replace(storage_data=_named(storage, {"base_dir": str(found.base)}))
    if found.postgres is not None:
        faster = faster._replace(storage_data=_named(postgres, found.postgres))
    if found.logs is not None:
        config = {**found.stock.compute_logs_data.config_dict, "base_dir": str(found.logs)}
        faster = faster._replace(compute_logs_data=_named(logs, config))
    instance: Any = dg.DagsterInstance.from_ref(_Faster._make(faster))
    assert instance.compute_log_manager  # made at the first look, of the reference that it then has
    instance._ref = found.stock
    return instance


class _Faster(InstanceRef):
    """Opens without the libraries that look at paths in clouds."""

    @property
    def defs_state_storage(self) -> Any:
        stock = InstanceRef._make(self)
        return stock.defs_state_storage if stock.defs_state_storage_data else _StateHere(stock)


class _StateHere(UPathDefsStateStorage):
    """Keeps the state of components where Dagster does by default; its path is made when one asks for it.

    For a path Dagster loads fsspec, which takes longer than all else of opening an instance.
    """

    def __init__(self, stock: InstanceRef) -> None:
        self._inst_data, self._stock = None, stock

    @functools.cached_property
    def _base_path(self) -> Any:
        storage: Any = self._stock.defs_state_storage
        return storage.base_path


def _read(home: Path, settings: str | None) -> InstanceRef:
    if settings is None and (home / YAML).is_file():
        return InstanceRef.from_dir(str(home))
    with tempfile.TemporaryDirectory() as other:  # Dagster wants to be told so by a file, and a directory
        Path(other, YAML).write_text(settings or "")
        return InstanceRef.from_dir(str(home), config_dir=other)


def _with_driver(ref: InstanceRef) -> tuple[InstanceRef, Mapping[str, Any] | None]:
    """Returns a reference that names the driver of a PostgreSQL, and what that is configured by.

    SQLAlchemy 2.1 takes an address without one for that of a driver which dagster-postgres does not bring.
    """
    said = ref.storage_data
    if said is None or (said.module_name, said.class_name) != POSTGRES:
        return ref, None
    config = dict(said.config_dict)
    url, parts = config.get("postgres_url"), config.get("postgres_db")
    if isinstance(url, str):
        scheme, mark, rest = url.partition("://")
        config["postgres_url"] = f"{DRIVER}{mark}{rest}" if scheme in PLAIN else url
    elif isinstance(parts, dict) and parts.get("scheme", "postgresql") in PLAIN:
        config["postgres_db"] = {**parts, "scheme": DRIVER}
    text = yaml.safe_dump(config)
    each = ("storage_data", "run_storage_data", "event_storage_data", "schedule_storage_data")
    given = {name: one._replace(config_yaml=text) for name in each if (one := getattr(ref, name))}
    return ref._replace(**given), config


def _named(chosen: Chosen, config: Any) -> ConfigurableClassData:
    return ConfigurableClassData(chosen.module, chosen.name, yaml.safe_dump(dict(config)))


def _base_of(said: ConfigurableClassData | None, classes: Collection[tuple[str, str]]) -> Path | None:
    """Returns the directory that a class is to use, where it is one of these."""
    if said is None or (said.module_name, said.class_name) not in classes:
        return None
    base = said.config_dict.get("base_dir")
    if isinstance(base, dict):
        base = os.environ.get(base.get("env", ""))
    return Path(base).expanduser() if base else None
