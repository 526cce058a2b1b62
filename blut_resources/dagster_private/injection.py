"""Opens an instance with storages of this process's own choice, of which its reference says nothing.

A child process, such as a code server, gets the reference of its parent's instance and opens that. Its
environment may lack what is chosen here, so what it gets names Dagster's own classes only.

Public API opens an instance as its ``dagster.yaml`` says. When Dagster changes, look at ``from_dir`` and
``config_defaults`` of ``InstanceRef``, at ``create_instance_from_ref``, and at ``_ref`` and
``compute_log_manager`` of ``DagsterInstance``.
"""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

YAML = "dagster.yaml"
SQLITE = ("dagster._core.storage.sqlite_storage", "DagsterSqliteStorage")
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
    compute logs, None likewise.
    """

    stock: InstanceRef
    base: Path | None
    logs: Path | None


def reference(home: Path, storage: Chosen, logs: Chosen) -> InstanceReference:
    """Returns what a home's ``dagster.yaml`` asks for; without one, Dagster's defaults.

    Raises:
        dagster.DagsterInvalidConfigError: the file cannot be used.
    """
    ref = _read(home)
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
    return InstanceReference(ref, base, _base_of(ref.compute_logs_data, (FILES,)))


def opened(found: InstanceReference, storage: Chosen, logs: Chosen) -> dg.DagsterInstance:
    """Returns the instance with these classes where it would have Dagster's own, else as it says."""
    faster = found.stock
    if found.base is not None:
        faster = faster._replace(storage_data=_named(storage, found.base))
    if found.logs is not None:
        config = {**found.stock.compute_logs_data.config_dict, "base_dir": str(found.logs)}
        faster = faster._replace(compute_logs_data=_named(logs, found.logs, config))
    instance: Any = dg.DagsterInstance.from_ref(faster)
    assert instance.compute_log_manager  # made at the first look, of the reference that it then has
    instance._ref = found.stock
    return instance


def _read(home: Path) -> InstanceRef:
    if (home / YAML).is_file():
        return InstanceRef.from_dir(str(home))
    with tempfile.TemporaryDirectory() as nothing:  # Dagster wants to be told so by a file, and a directory
        Path(nothing, YAML).touch()
        return InstanceRef.from_dir(str(home), config_dir=nothing)


def _named(chosen: Chosen, base: Path, config: Any = None) -> ConfigurableClassData:
    return ConfigurableClassData(
        chosen.module, chosen.name, yaml.safe_dump(config or {"base_dir": str(base)})
    )


def _base_of(said: ConfigurableClassData | None, classes: Collection[tuple[str, str]]) -> Path | None:
    """Returns the directory that a class is to use, where it is one of these."""
    if said is None or (said.module_name, said.class_name) not in classes:
        return None
    base = said.config_dict.get("base_dir")
    if isinstance(base, dict):
        base = os.environ.get(base.get("env", ""))
    return Path(base).expanduser() if base else None
