"""Finds the name of the code location under which Dagster's UI shows a job.

The page of a job lists the runs of its own location only, and a location gets its name from whoever serves
it: a ``workspace.yaml``, the settings of a project, or Dagster, which takes the module's. A run of a terminal
is told here which one that is.
"""

import os
import time
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import yaml

from blut_resources.dagster_private.served import served
from blut_resources.files.foreign import TooLarge, read_regular
from blut_resources.instance.instance import home_of
from blut_resources.instance.reach import Reach, reach

VARIABLE = "BLUT_LOCATION"
OWN = "blut_assets.definitions"
"""The module of the definitions, and what Dagster calls a location of it that nobody has named."""
SENSORS = ("blut_", "reaper", "corpus_watch")
"""How the names of Blut's sensors begin, now and in older versions."""
WORKSPACES = ("workspace.yaml", "workspace.yml")
NOW_S = 600.0
"""Seconds since its last tick for which a location counts as served."""
LONGEST = 1 << 20
"""Bytes of a file of settings that are read."""


class Declared(NamedTuple):
    """Says what a file declares about one location: its name, and the module, if it says that."""

    name: str
    module: str | None = None
    directory: Path | None = None


def location_of(names: Collection[str], instance: dg.DagsterInstance) -> str:
    """Returns the location that holds a job.

    $BLUT_LOCATION says it. Else it is the one that the instance's daemon looks after at present; else the one
    that is declared in the working directory, in one above it, or beside the instance; else the last one that
    was looked after, and where none ever was the one that Dagster makes of the module.

    Args:
        names: of the job, and of the cookbook that brings it.
    """
    if said := os.environ.get(VARIABLE):
        return said
    ticks = served(instance, lambda name: name.startswith(SENSORS))
    how, declared = _declared_for(names, home_of(instance))
    last = max(ticks, key=ticks.__getitem__, default=None)
    if last and time.time() - ticks[last] < NOW_S:
        return declared if declared and time.time() - ticks.get(declared, 0) < NOW_S else last
    if last and how is Reach.UNKNOWN and declared not in ticks:
        return last
    return declared or last or OWN


class Here(NamedTuple):
    """Says which code a directory is about: files of code locations, else a module and how that is called."""

    workspace: Sequence[Path]
    module: str
    name: str


def declared_here(instance: dg.DagsterInstance) -> Here:
    """Returns what the working directory, or the nearest one above it, declares that loads Blut.

    If none does, Blut's own definitions, by the name that their location has.
    """
    with suppress(OSError):  # the working directory may be gone
        for directory in (here := Path.cwd(), *here.parents):
            able = [one for one in _declarations(directory) if _reached(one, ()) is not Reach.NO]
            files = [path for name in WORKSPACES if (path := directory / name).is_file()]
            if able and files:
                return Here(files[:1], OWN, able[0].name)
            if able and able[0].module:
                return Here((), able[0].module, able[0].name)
    return Here((), OWN, location_of((), instance))


def _declared_for(names: Collection[str], home: Path) -> tuple[Reach, str | None]:
    with suppress(OSError):  # the working directory may be gone
        for directory in (here := Path.cwd(), *here.parents):
            if found := _holder(directory, names):
                return found
    return _holder(home, names) or _holder(home.parent, names) or (Reach.NO, None)


def _holder(directory: Path, names: Collection[str]) -> tuple[Reach, str] | None:
    """Returns, of the locations that a directory declares, the one whose code is known best to hold it."""
    ranked = [(_reached(one, names), one.name) for one in _declarations(directory)]
    able = [pair for pair in ranked if pair[0] is not Reach.NO]
    return min(able, key=lambda pair: pair[0]) if able else None


def _reached(one: Declared, names: Collection[str]) -> Reach:
    if one.module is None:
        return Reach.UNKNOWN
    return Reach.ALL if one.module == OWN else reach(one.module, one.directory, names)


def _declarations(directory: Path) -> Iterator[Declared]:
    for name in WORKSPACES:
        for entry in _list(_loaded(directory / name, yaml.safe_load).get("load_from")):
            yield from _of_workspace(entry, directory)
    tool = _dict(_loaded(directory / "pyproject.toml", tomllib.loads).get("tool"))
    dagster, project = _dict(tool.get("dagster")), _dict(_dict(tool.get("dg")).get("project"))
    if module := dagster.get("module_name"):
        yield Declared(str(dagster.get("code_location_name") or module), str(module), directory)
    if root := project.get("root_module"):
        module = project.get("code_location_target_module") or f"{root}.definitions"
        yield Declared(str(project.get("code_location_name") or directory.name), str(module), directory)


def _of_workspace(entry: Any, directory: Path) -> Iterator[Declared]:
    for kind, given in _dict(entry).items():
        said = _dict(given)
        if kind == "grpc_server":
            address = f"grpc:{said.get('host', 'localhost')}:{said.get('socket') or said.get('port')}"
            yield Declared(str(said.get("location_name") or address))
            continue
        target = given if isinstance(given, str) else _target(kind, said)
        if target is None:
            continue
        attribute = f":{said['attribute']}" if said.get("attribute") else ""
        name = (
            said.get("location_name")
            or f"{Path(target).name if kind == 'python_file' else target}{attribute}"
        )
        elsewhere = said.get("executable_path") is not None
        place = directory / str(said.get("working_directory") or ".")
        yield Declared(str(name), None if elsewhere else target, place)


def _target(kind: str, said: Mapping[str, Any]) -> str | None:
    key = {"python_module": "module_name", "python_package": "package_name", "python_file": "relative_path"}
    found = said.get(key.get(kind, ""))
    return None if found is None else str(found)


def _loaded(path: Path, parse: Any) -> dict[str, Any]:
    """Returns what a file of settings says; nothing if there is none, or it is no such file."""
    try:
        return _dict(parse(read_regular(path, LONGEST).decode()))
    except (OSError, ValueError, TooLarge, yaml.YAMLError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
