"""Modules as source: where they are, what they define and import, and which of them were looked at."""

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.store_files import StoreError, write_atomic

SUMMARY = 1
"""Raise when the digest of a module is made in another way."""

SETTLED_NS = 20_000_000

Stat = tuple[int, int, int]


@dataclass
class Trail:
    """What was looked at: files that were read, places where there was none, and roots of packages."""

    files: dict[str, Stat] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    roots: dict[str, str] = field(default_factory=dict)


_trails: list[Trail] = []


@contextlib.contextmanager
def followed() -> Iterator[Trail]:
    """Note everything that the block looks at."""
    trail = Trail()
    _trails.append(trail)
    try:
        yield trail
    finally:
        _trails.remove(trail)


@dataclass(frozen=True)
class Source:
    """One module's file as it was when ``stat`` was taken."""

    path: Path
    stat: Stat
    data: bytes | None = None

    @functools.cached_property
    def tree(self) -> ast.Module:
        data = self.path.read_bytes() if self.data is None else self.data
        return _statements(ast.parse(data, str(self.path)))

    @functools.cached_property
    def own_digest(self) -> str:
        """The digest of its statements, without a look at what is remembered."""
        return dump_digest([self.tree])

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """``digest`` and ``imports``, remembered beside the byte code for as long as the file stands."""
        note = note_beside(self.path, "blut")
        known = read_note(note, [SUMMARY, *self.stat])
        if known:
            return known
        found = {"of": [SUMMARY, *self.stat], "digest": self.own_digest, "imports": self._imports()}
        if stat_of(self.path) == self.stat:
            write_note(note, found, [self.stat])
        return found

    @property
    def digest(self) -> str:
        return self.summary["digest"]

    @property
    def imports(self) -> list[str]:
        """Dotted names imported anywhere in the module, ``from a import b`` as ``a`` and ``a.b``."""
        return self.summary["imports"]

    @functools.cached_property
    def names(self) -> dict[str, list[ast.stmt]]:
        """Top-level name -> the top-level statements that define or change it."""
        found: dict[str, list[ast.stmt]] = {}
        for stmt in self.tree.body:
            for name in {name for inner in flat(stmt) for name in defined_by(inner)}:
                found.setdefault(name, []).append(stmt)
        return found

    def _imports(self) -> list[str]:
        found: list[str] = []
        for node in (stmt for body in _bodies(self.tree) for stmt in body):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        return found


def cookbook_root(module: str) -> str:
    """The package whose source counts: ``cookbooks.X`` in this repository, else the top-level package."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "cookbooks" else parts[0]


def module_path(module: str, root: str) -> Path | None:
    """The file of a module below a root package; None elsewhere, or if there is none."""
    if module != root and not module.startswith(root + "."):
        return None
    base = root_path(root)
    if base is None:
        return None
    path = os.path.join(base, *module.removeprefix(root).split(".")[1:])  # noqa: PTH118
    for candidate in (f"{path}/__init__.py", f"{path}.py"):
        if os.path.isfile(candidate):  # noqa: PTH113
            return Path(candidate)
        for trail in _trails:
            trail.absent.add(candidate)
    return None


def root_path(root: str) -> Path | None:
    """The directory of a root package, or a root module's file without its suffix."""
    loaded = sys.modules.get(root)
    spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(root)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        found = Path(next(iter(spec.submodule_search_locations)))
    else:
        found = Path(spec.origin).with_suffix("") if spec.origin else None
    for trail in _trails:
        trail.roots[root] = str(found)
    return found


def module_source(module: str, root: str) -> Source:
    """A module's source. Raises ModuleNotFoundError."""
    path = module_path(module, root)
    if path is None:
        raise ModuleNotFoundError(module)
    return parse(path)


def parse(path: Path) -> Source:
    """The source in a file."""
    stat = stat_of(path)
    for trail in _trails:
        trail.files[str(path)] = stat
    return _parse_at(path, stat)


@functools.cache
def _parse_at(path: Path, stat: Stat) -> Source:
    return Source(path, stat)


def stat_of(path: Path | str) -> Stat:
    """What changes when a file is written; three times -1 if there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        return (-1, -1, -1)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def note_beside(path: Path, name: str) -> Path:
    """Where something about a module is kept: beside its byte code."""
    return Path(importlib.util.cache_from_source(str(path))).with_suffix(f".{name}.json")


def read_note(note: Path, of: Sequence[Any]) -> dict[str, Any] | None:
    """A note if it was made of just this."""
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


def flat(stmt: ast.stmt) -> list[ast.stmt]:
    """A statement with those inside it, but for the inside of functions and classes."""
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [stmt]
    return [stmt, *(inner for body in _bodies(stmt) for inner in body)]


def defined_by(stmt: ast.stmt) -> list[str]:
    """The names that a statement binds."""
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [stmt.name]
    if isinstance(stmt, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in stmt.names]
    targets = stmt.targets if isinstance(stmt, ast.Assign) else [getattr(stmt, "target", None)]
    return [
        node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)
    ]


def dump_digest(nodes: Sequence[ast.AST]) -> str:
    """40 hex characters over statements, wherever they stand."""
    return hashlib.sha256("\n".join(repr(_plain(node)) for node in nodes).encode()).hexdigest()[:40]


def _statements(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without the annotations of parameters and results."""
    for body in _bodies(tree):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                node.returns = None
                for argument in ast.walk(node.args):
                    if isinstance(argument, ast.arg):
                        argument.annotation = None
        value = body[0].value if body and isinstance(body[0], ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return tree


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every block of statements; ``ast.walk`` would look at each expression too, at twenty times the cost."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            if name not in ("handlers", "cases"):
                yield block
            for child in block:
                yield from _bodies(child)


def _plain(value: Any) -> Any:
    """A node as nested tuples without positions: what ``ast.dump`` says, in half the time."""
    if isinstance(value, ast.AST):
        return (type(value).__name__, *[_plain(getattr(value, name, None)) for name in value._fields])
    return [_plain(item) for item in value] if isinstance(value, list) else value
