"""Finds modules as source: where they are, and which files were looked at to find that out."""

import ast
import contextlib
import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import site
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_assets.versions.statements import meaningful, plain
from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.payloads.code import digest_bytes

SUMMARY = 3
"""Raise when the digest of a module is made in another way."""

SETTLED_NS = 20_000_000
OTHERS = frozenset({"blut_assets", "blut_resources", "sensors", *sys.stdlib_module_names})
"""Never a project's own: a new Blut must not retrain anything, and the standard library comes first."""

Stat = tuple[int, int, int]
ABSENT: Stat = (-1, -1, -1)


@dataclass(frozen=True)
class Source:
    """Holds one module's file as it was when ``stat`` was taken."""

    path: Path
    stat: Stat
    data: bytes

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Returns its statements, but for what is only said to a reader. Raises SyntaxError."""
        return meaningful(self.data, str(self.path))

    @functools.cached_property
    def digest(self) -> str:
        """Returns 40 hex characters over its statements."""
        return hashlib.sha256(repr(plain(self.tree)).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Module:
    """Names a module of a project, by the dotted name that it has there."""

    name: str
    source: Source
    is_package: bool

    @property
    def path(self) -> Path:
        """Returns its file."""
        return self.source.path

    @property
    def is_python(self) -> bool:
        """Says whether it is Python, and not compiled from another language."""
        return self.path.suffix == ".py"

    @property
    def package(self) -> str:
        """Returns what its relative imports are relative to."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


class Project:
    """Finds everything that may be imported in the directory that a top-level package or module lies in.

    Of a directory of installed packages only the one package is its own, and never the framework. What was
    found once is remembered, with the files and absences that it rests on.
    """

    def __init__(self, top: str, base: Path) -> None:
        self.top, self.base = top, base
        self._shared = is_library(base)
        self._found: dict[str, Module | None] = {}
        self._looked: dict[str, list[str]] = {}
        self._digests: dict[str, str] = {}
        self.stats: dict[str, Stat] = {}
        self.kept: dict[Any, Any] = {}

    def stands(self) -> bool:
        """Says whether to look again would find the same."""
        return all(stat_of(path) == stat for path, stat in self.stats.items())

    def look(self, path: Path | str) -> bool:
        """Says whether there is a file or directory, remembered as it was when it was first asked for."""
        if str(path) not in self.stats:
            self.stats[str(path)] = stat_of(path)
        return self.stats[str(path)] != ABSENT

    def find(self, name: str) -> Module | None:
        """Returns the module of a dotted name; None if it is not a module of this project."""
        if name not in self._found:
            self._looked[name] = []
            self._found[name] = self._look_for(name)
        return self._found[name]

    def looked_at(self, name: str) -> list[str]:
        """Returns the places where a module was looked for."""
        self.find(name)
        return self._looked[name]

    def is_directory(self, name: str) -> bool:
        """Says whether modules may lie below a dotted name;
        only a top-level package needs ``__init__.py``.
        """
        if found := self.find(name):
            return found.is_package
        top, dot, _ = name.partition(".")
        if not (top == self.top or (dot and self.find(top))):
            return False
        return self.base.joinpath(*name.split(".")).is_dir()

    def modules(self, top: str) -> list[Module]:
        """Returns every module of a top-level package."""
        found = []
        for directory, inner, files in os.walk(self.base / top):
            inner[:] = sorted(name for name in inner if name.isidentifier() and name != "__pycache__")
            self.look(directory)
            dotted = ".".join(Path(directory).relative_to(self.base).parts)
            names = [f"{dotted}.{file[:-3]}" for file in sorted(files) if file.endswith(".py")]
            found += [module for name in names if (module := self.find(name.removesuffix(".__init__")))]
        return found

    def file_digest(self, path: Path) -> str:
        """Returns the digest of a file's bytes. Raises OSError."""
        if str(path) not in self._digests:
            self.look(path)
            self._digests[str(path)] = digest_bytes(path.read_bytes())
        return self._digests[str(path)]

    def _look_for(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        top = name.partition(".")[0]
        if not last.isidentifier() or (top != self.top and (self._shared or top in OTHERS)):
            return None
        if parent:
            self._looked[name] += self.looked_at(parent)
            if not self.is_directory(parent):
                return None
        path = self.base.joinpath(*name.split("."))
        for candidate in (path / "__init__.py", self._native(path), path.with_suffix(".py")):
            self._looked[name].append(str(candidate))
            if self.look(candidate):
                stat = self.stats[str(candidate)]
                return Module(name, _read_at(candidate, stat), candidate.name == "__init__.py")
        return None

    def _native(self, path: Path) -> Path:
        """Returns a compiled module, or what it would be called."""
        names = [path.with_name(path.name + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES]
        return next((name for name in names if name.is_file()), names[0])


@functools.cache
def is_library(base: Path) -> bool:
    """Says whether a directory is where packages are installed, or the standard library."""
    places = [*site.getsitepackages(), site.getusersitepackages(), str(Path(os.__file__).parent)]
    return base.name in ("site-packages", "dist-packages") or str(base) in places


_projects: dict[tuple[str, Path], Project] = {}


def project_at(top: str, base: Path) -> Project:
    """Returns the project in a directory, as far as it is known if nothing of that has changed."""
    known = _projects.get((top, base))
    if known is None or not known.stands():
        known = _projects[top, base] = Project(top, base)
    return known


def project_of(module: str) -> Project:
    """Returns the project of a module that can be imported.

    Raises:
        ModuleNotFoundError: if there is no such package.
    """
    top = module.partition(".")[0]
    place = root_path(top)
    if place is None:
        raise ModuleNotFoundError(f"payload module {module!r} does not exist")
    return project_at(top, place.absolute().parent)


def project_around(module: str, own: Path) -> Project:
    """Returns the project of a module whose file is known:
    it may have been loaded from there, and not by name.
    """
    depth = module.count(".") + (own.name == "__init__.py")
    return project_at(module.partition(".")[0], own.absolute().parents[depth])


def root_path(root: str) -> Path | None:
    """Returns the directory of a top-level package, or the file of a top-level module."""
    loaded = sys.modules.get(root)
    spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(root)
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or ()), None) or spec.origin
    return Path(place) if place else None


@functools.cache
def _read_at(path: Path, stat: Stat) -> Source:
    return Source(path, stat, path.read_bytes())


def stat_of(path: Path | str) -> Stat:
    """Returns what changes when a file is written; `ABSENT` if there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        return ABSENT
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def note_beside(path: Path, name: str) -> Path:
    """Returns where something about a module is kept: beside its byte code."""
    return Path(importlib.util.cache_from_source(str(path))).with_suffix(f".{name}.json")


def read_note(note: Path, of: Sequence[Any]) -> dict[str, Any] | None:
    """Returns a note if it was made of just this."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_bytes())
        return known if known["of"] == list(of) else None
    return None


def write_note(note: Path, content: dict[str, Any], stats: Sequence[Stat]) -> None:
    """Keep a note about files with these stats, if that is allowed and they have settled."""
    # file times advance in steps: a file this young could be written again without showing it
    settled = all(time.time_ns() - max(stat[1:]) > SETTLED_NS for stat in stats)
    if settled and not sys.dont_write_bytecode:
        with contextlib.suppress(StoreError):
            write_atomic(note, json.dumps(content).encode(), durable=False)
