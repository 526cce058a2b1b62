"""Follows what makes an asset's result, as a graph of source; no name or place is part of its digest.

A node is a module that counts as a whole, a top-level name, what a module does when it is imported, a file of
data, or a whole package. The digest of a node is made of its text and the digests of what it refers to, in
the order in which it does; so two modules that swap their parts are noticed, and a module that moves is not.
"""

# Designs that do not hold:
#
# A digest of the bytes of the files that are imported: it changes with every comment and with a move, and a
# list of what has been imported so far misses what a function imports later. A digest of the whole package:
# every edit anywhere retrains everything, so people stop trusting it. `sys.modules` after a trial import: it
# runs side effects, needs torch, and knows nothing of a payload. The function's own source only: a change of
# a constant or of a helper reuses an old result, which is the one error that must not happen.
#
# So names are followed by Python's own rules without importing anything. What must hold: it fails closed. A
# reference that cannot be read off (`import_module(name)`, `exec`, `__subclasses__`) counts as the whole
# package, and a name that is found nowhere counts as its module. What a module *does* when it is imported
# counts although nobody names it, in the order of imports where that order can matter.
#
# Names and places are blanks in the text (`dump`), filled by the digests of what they stand for. Sorting the
# digests instead would not notice two modules that swap their parts. Blanks need an order of computation, and
# source has circles: nodes that reach each other are found first (Tarjan), begin as equals, and are told
# apart by one round more than the circle has nodes. The search is a loop with a stack of its own, for a chain
# of references may be longer than Python's stack is deep.

import ast
import copy
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from blut_assets.versions.dump import BLANK, Dumped, Dumper, Ref
from blut_assets.versions.effects import act_in_order, effects
from blut_assets.versions.files import Module, Project
from blut_assets.versions.names import Scope, scope_of

MOST_BYTES = 64_000_000
"""A larger file of data is left to the payload, which tells when it reads one that was not counted."""
WHOLE = frozenset(
    {"facts", "model_dump", "model_dump_json", "model_fields", "__dict__", "getattr", "vars", "dict"}
)
"""Words by which any field of an artifact may be read."""


class SourceGraph:
    """Holds all that is reached from some roots in one project.

    ``asset`` is the module and name of a function whose decorators only say where it stands in the graph.
    """

    def __init__(self, project: Project, asset: tuple[str, str] | None = None) -> None:
        self.project, self._asset = project, asset
        self.nodes: dict[Ref, Dumped] = {}
        self.executed: list[str] = []

    def add(self, *roots: Ref) -> None:
        """Take in what these refer to, and what is done by every module that is imported for it."""
        done = len(self.nodes)
        self._reach(roots)
        while done < len(self.nodes):
            reached = list(self.nodes)[done:]
            done = len(self.nodes)
            for ref in reached:
                self._execute([*_module_of(ref), *self.nodes[ref].executed])

    def digest(self, *roots: Ref) -> str:
        """Digest what the roots come to, and what modules do as they are imported."""
        found = digests(self.nodes)
        acting = [name for name in self.executed if ("effects", name) in self.nodes]
        ordered = [name for name in acting if act_in_order(self._effects(name))]
        others = sorted(found["effects", name] for name in acting if name not in ordered)
        effects = [found["effects", name] for name in ordered]
        return hashed([*(found[root] for root in roots), "", *effects, "", *others])

    def _effects(self, name: str) -> list[ast.stmt]:
        module = self.project.find(name)
        return effects_of(scope_of(self.project, module)) if module else []

    @property
    def run(self) -> list[Module]:
        """Returns the modules of which a process loads the file."""
        names = {*self.executed, *(ref[1] for ref in self.nodes if ref[0] == "module")}
        return [module for name in sorted(names) if (module := self.project.find(name))]

    @property
    def data(self) -> list[Path]:
        """Returns the files that are read and are not modules."""
        paths = [Path(ref[1]) for ref in self.nodes if ref[0] == "path"]
        return sorted({file for path in paths for file in data_files(self.project, path)})

    def looked_at(self) -> set[str]:
        """Returns files and directories that it rests on, and places where one would change it."""
        places = {place for node in self.nodes.values() for place in node.places}
        scopes = (scope_of(self.project, m) for n in self._names() if (m := self.project.find(n)))
        return places.union(*(scope.looked_at() for scope in scopes))

    def _names(self) -> set[str]:
        return {*self.executed, *(name for ref in self.nodes for name in _module_of(ref))}

    def _reach(self, roots: Iterable[Ref]) -> None:
        todo = list(roots)
        while todo:
            ref = todo.pop()
            if ref not in self.nodes:
                self.nodes[ref] = self._dumped(ref)
                todo += [*self.nodes[ref].refs, *self.nodes[ref].others]

    def _execute(self, names: Iterable[str]) -> None:
        """Import modules, parents first, as Python would."""
        for name in names:
            if name in self.executed:
                continue
            self._execute([parent] if (parent := name.rpartition(".")[0]) else [])
            module = self.project.find(name)
            if module is None or name in self.executed:
                continue
            self.executed.append(name)
            scope = scope_of(self.project, module)
            self._execute(scope.imports.executed)
            if effects_of(scope):
                self._reach([("effects", name)])

    def _dumped(self, ref: Ref) -> Dumped:
        """Returns a node of the project's, made once; what the graph decides about is its own."""
        if ref[0] == "taken" or ref[1:] == self._asset:
            return _dump_name(self.project, ref, self._is_taken if ref[0] == "taken" else _undecorated)
        if ref not in self.project.kept:
            self.project.kept[ref] = _dump(self.project, ref)
        return self.project.kept[ref]

    def _is_taken(self, stmt: ast.stmt) -> ast.stmt:
        """Returns an input's class without the facts that nobody reads: another fact changes nothing here."""
        if not isinstance(stmt, ast.ClassDef):
            return stmt
        words = {word for name in self._names() for word in self._words(name)}
        stmt = copy.copy(stmt)
        stmt.body = [one for one in stmt.body if words & WHOLE or _field(one) in (None, *words)]
        return stmt

    def _words(self, module: str) -> Iterator[str]:
        """Yields attributes that are read by the functions of a module that are reached."""
        for ref in [ref for ref in self.nodes if ref[0] == "name" and ref[1] == module]:
            own = self.project.find(module)
            for stmt in scope_of(self.project, own).defined.get(ref[2], []) if own else ():
                for node in ast.walk(stmt):
                    if isinstance(node, ast.Attribute | ast.Name):
                        yield node.attr if isinstance(node, ast.Attribute) else node.id


def _module_of(ref: Ref) -> list[str]:
    return [ref[1]] if ref[0] in ("module", "name", "taken", "effects") else []


def _field(stmt: ast.stmt) -> str | None:
    """Returns the name of a pydantic field."""
    if not (isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name)):
        return None
    is_constant = "ClassVar" in ast.dump(stmt.annotation) or stmt.target.id.startswith("_")
    return None if is_constant else stmt.target.id


def _dump(project: Project, ref: Ref) -> Dumped:
    if ref[0] == "path":
        return _dump_path(project, Path(ref[1]))
    if ref[0] == "all":
        return _dump_package(project)
    module = project.find(ref[1])
    if module is None:
        return Dumped("nothing")
    if not module.is_python:
        return Dumped("native" + BLANK, [("path", str(module.path))])
    scope = scope_of(project, module)
    if ref[0] == "effects":
        return Dumper(scope, deep=True).dump(effects_of(scope))
    return Dumper(scope, deep=False).dump(scope.body) if ref[0] == "module" else _dump_name(project, ref)


def _dump_name(
    project: Project, ref: Ref, change: Callable[[ast.stmt], ast.stmt] = lambda stmt: stmt
) -> Dumped:
    module = project.find(ref[1])
    if module is None:
        return Dumped("nothing")
    scope = scope_of(project, module)
    return Dumper(scope, deep=True).dump([change(stmt) for stmt in scope.defined.get(ref[2], [])])


def _dump_package(project: Project) -> Dumped:
    """Returns every module by name, because it is by name that one of them is taken;
    and every file of data.
    """
    modules = project.modules(project.top)
    names = [module.name.removeprefix(project.top) for module in modules]
    place = str(project.base / project.top)
    refs: list[Ref] = [*(("module", module.name) for module in modules), ("path", place)]
    directories = [str(path.parent) for path in (module.path for module in modules)]
    return Dumped(BLANK.join([*names, ""]), refs, places=[place, *directories])


def _dump_path(project: Project, path: Path) -> Dumped:
    project.look(path)
    files = data_files(project, path)
    said = [f"{os.path.relpath(file, path)}={project.file_digest(file)}" for file in files]
    text = ",".join(said) if said else "nothing"
    return Dumped(text, places=[str(path), *directories_in(project, path), *map(str, files)])


def effects_of(scope: Scope) -> list[ast.stmt]:
    """Returns the effects of a module, found once."""
    key = ("acts", scope.module.name)
    if key not in scope.project.kept:
        scope.project.kept[key] = effects(scope) if scope.module.is_python else []
    return scope.project.kept[key]


def _undecorated(stmt: ast.stmt) -> ast.stmt:
    if isinstance(stmt, ast.FunctionDef):
        stmt = copy.copy(stmt)
        stmt.decorator_list = []
    return stmt


def directories_in(project: Project, path: Path) -> list[str]:
    """Returns a directory and those in it, if it lies inside of a package of the project."""
    if path == project.base or not path.is_relative_to(project.base) or not path.is_dir():
        return []
    found = []
    for directory, inner, _ in os.walk(path):
        inner[:] = sorted(name for name in inner if name != "__pycache__" and not name.startswith("."))
        project.look(directory)
        found.append(directory)
    return found


def data_files(project: Project, path: Path) -> list[Path]:
    """Returns the file, or those in the directory and below; modules are not data."""
    found = [path]
    if not path.is_file():
        inside = (Path(directory) for directory in directories_in(project, path))
        found = [
            file for one in inside for file in sorted(one.iterdir()) if file.suffix not in (".py", ".pyc")
        ]
    return [file for file in found if file.is_file() and file.stat().st_size <= MOST_BYTES]


def digests(nodes: Mapping[Ref, Dumped]) -> dict[Ref, str]:
    """Returns the digest of every node;
    those that refer to each other in a circle are told apart by their texts.
    """
    found: dict[Ref, str] = {}
    for group in _find_circles(nodes):
        inside = set(group)
        colours = {ref: "" for ref in group}
        circular = len(group) > 1 or group[0] in (*nodes[group[0]].refs, *nodes[group[0]].others)
        for _ in range(len(group) + 1 if circular else 1):
            filled = {
                ref: (colours[ref] if ref in inside else found[ref]) for ref in _list_around(nodes, group)
            }
            colours = {ref: _digest(nodes[ref], filled) for ref in group}
        found |= colours
    return found


def _list_around(nodes: Mapping[Ref, Dumped], group: Sequence[Ref]) -> set[Ref]:
    return {ref for one in group for ref in (*nodes[one].refs, *nodes[one].others)}


def _digest(node: Dumped, filled: Mapping[Ref, str]) -> str:
    others = sorted({filled[ref] for ref in node.others})
    return hashed([node.text, *(filled[ref] for ref in node.refs), "", *others])


def hashed(words: Iterable[str]) -> str:
    """Returns 40 hex characters over words."""
    return hashlib.sha256("\0".join(words).encode(errors="surrogatepass")).hexdigest()[:40]


def _find_circles(nodes: Mapping[Ref, Dumped]) -> Iterator[list[Ref]]:
    """Yields groups of nodes that reach each other,
    each after those that it refers to (Tarjan's algorithm).
    """
    index: dict[Ref, int] = {}
    low: dict[Ref, int] = {}
    stack: list[Ref] = []
    waiting: set[Ref] = set()
    for root in nodes:
        work: list[tuple[Ref, Iterator[Ref]]] = [] if root in index else [(root, _follow(nodes, root))]
        while work:
            ref, following = work[-1]
            if ref not in index:
                index[ref] = low[ref] = len(index)
                stack.append(ref)
                waiting.add(ref)
            for other in following:
                if other not in index:
                    work.append((other, _follow(nodes, other)))
                    break
                if other in waiting:
                    low[ref] = min(low[ref], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[ref])
                if low[ref] == index[ref]:
                    at = stack.index(ref)
                    group, stack[at:] = stack[at:], []
                    waiting.difference_update(group)
                    yield group


def _follow(nodes: Mapping[Ref, Dumped], ref: Ref) -> Iterator[Ref]:
    return iter((*nodes[ref].refs, *nodes[ref].others))
