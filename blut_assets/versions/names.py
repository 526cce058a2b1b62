"""Finds what the names in a module stand for, by Python's own rules of import."""

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from blut_assets.versions.files import Module, Project
from blut_assets.versions.statements import defined_by, statements_in

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)
NAMES_FILES = (b"__file__", b"resources", b"get_data")
Target = tuple[str, ...]
"""``("module", name)``, ``("name", module, name)`` or, of another project, ``("other", dotted)``."""


@dataclass
class Names:
    """Holds the names that statements bind by imports, each with what it may stand for.

    ``executed`` are the modules of the project that the imports run, in their order; ``stars`` those of which
    every name is taken.
    """

    bound: dict[str, list[Target]] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)


class Scope:
    """Describes one module of a project: its top-level names, and its imports."""

    def __init__(self, project: Project, module: Module) -> None:
        self.project, self.module = project, module
        self.body = module.source.tree.body if module.is_python else []
        self.paths: dict[str, str | None] = {}
        self._asked: set[str] = {module.name}

    def find(self, name: str) -> Module | None:
        """Returns a module of the project, on behalf of this one."""
        self._asked.add(name)
        return self.project.find(name)

    def looked_at(self) -> set[str]:
        """Returns the files that it rests on, and the places where one would change it."""
        return {place for name in self._asked for place in self.project.looked_at(name)}

    def is_directory(self, name: str) -> bool:
        """Says whether modules may lie below a dotted name."""
        self._asked.add(name)
        return self.project.is_directory(name)

    def is_known(self, name: str) -> bool:
        """Says whether a dotted name is a module of the project, or a directory of them."""
        return self.find(name) is not None or self.is_directory(name)

    @functools.cached_property
    def defined(self) -> dict[str, list[ast.stmt]]:
        """Returns top-level name -> the top-level statements that bind or change it,
        but for plain imports.
        """
        found: dict[str, list[ast.stmt]] = {}
        for stmt in self.body:
            inner = list(statements_in([stmt], deep=False))
            names = {name for one in inner for name in defined_by(one)}
            if not isinstance(stmt, ast.Import | ast.ImportFrom):
                names |= {name for one in inner if _is_import(one) for name in _local_names(one)}
            for name in names:
                found.setdefault(name, []).append(stmt)
        for stmt in self.body:
            for name in _asked_by(stmt) & found.keys():
                if stmt not in found[name] and may_change(found[name]):
                    found[name].append(stmt)
        return found

    @functools.cached_property
    def imports(self) -> Names:
        """Returns what the module imports when it is itself imported."""
        return self.imports_in(statements_in(_when_imported(self.body), deep=False))

    @functools.cached_property
    def may_name_files(self) -> bool:
        """Says whether a path of the project can be among its expressions,
        or among those it takes from others.
        """
        others = [target[1] for targets in self.imports.bound.values() for target in targets]
        sources = [own.source for name in {*others} if (own := self.find(name))]
        return any(word in one.data for one in (self.module.source, *sources) for word in NAMES_FILES)

    @functools.cached_property
    def directories(self) -> set[ast.expr]:
        """Returns the values of top-level constants, such as ``HERE``:
        what is read counts where it is named.
        """
        plain = (stmt for stmt in self.body if isinstance(stmt, ast.Assign) and len(stmt.targets) == 1)
        return {stmt.value for stmt in plain if isinstance(stmt.targets[0], ast.Name)}

    def imports_in(self, statements: Iterable[ast.stmt]) -> Names:
        """Returns what these statements import."""
        found = Names()
        for stmt in statements:
            if isinstance(stmt, ast.Import):
                for alias in stmt.names:
                    self._add_import(found, alias)
            elif isinstance(stmt, ast.ImportFrom):
                self._add_from(found, stmt)
        return found

    def absolute(self, level: int, name: str | None) -> str:
        """Returns the dotted name that a relative one stands for; empty if it leaves the package."""
        if not level:
            return name or ""
        parts = self.module.package.split(".") if self.module.package else []
        kept = parts[: len(parts) - level + 1]
        return ".".join([*kept, *([name] if name else [])]) if len(parts) >= level else ""

    def targets_in(self, module: str, name: str) -> list[Target]:
        """Returns what ``from module import name`` may give: the name, a module of that name, or both."""
        found: list[Target] = []
        if self.find(f"{module}.{name}"):
            found.append(("module", f"{module}.{name}"))
        own = self.find(module)
        if own and (not found or name in scope_of(self.project, own).all_names):
            found.append(("name", module, name))
        return found or [("other", f"{module}.{name}")]

    @functools.cached_property
    def all_names(self) -> set[str]:
        """Returns every top-level name of the module."""
        imports = (stmt for stmt in self.body if isinstance(stmt, ast.Import | ast.ImportFrom))
        return {*self.defined, *(name for stmt in imports for name in _local_names(stmt))}

    def _add_import(self, found: Names, alias: ast.alias) -> None:
        known = self.is_known(alias.name)
        if known:
            found.executed += _with_parents(alias.name)
        if alias.asname:
            found.bound[alias.asname] = [("module" if known else "other", alias.name)]
        else:
            top = alias.name.partition(".")[0]
            found.bound[top] = [("module" if self.is_known(top) else "other", top)]

    def _listed(self, package: str) -> list[str]:
        """Returns the modules that ``__all__`` of a package makes a star import."""
        own = self.find(package)
        stmts = (
            scope_of(self.project, own).defined.get("__all__", []) if own and own is not self.module else []
        )
        words = (node.value for stmt in stmts for node in ast.walk(stmt) if isinstance(node, ast.Constant))
        names = (f"{package}.{word}" for word in words if isinstance(word, str))
        return [name for name in names if self.find(name)]

    def _add_from(self, found: Names, stmt: ast.ImportFrom) -> None:
        base = self.absolute(stmt.level, stmt.module)
        known = bool(base) and self.is_known(base)
        if known:
            found.executed += _with_parents(base)
        for alias in stmt.names:
            if alias.name == "*":
                found.stars += [base, *self._listed(base)] if known else []
                found.executed += self._listed(base) if known else []
                continue
            targets = self.targets_in(base, alias.name) if known else [("other", f"{base}.{alias.name}")]
            found.bound[alias.asname or alias.name] = targets
            found.executed += [target[1] for target in targets if target[0] == "module"]


def scope_of(project: Project, module: Module) -> Scope:
    """Returns the scope of a module, made once."""
    key = ("scope", module.name)
    if key not in project.kept:
        project.kept[key] = Scope(project, module)
    return project.kept[key]


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _when_imported(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements but for what is done only by the program itself."""
    return (stmt for stmt in body if not is_main(stmt))


def is_main(stmt: ast.stmt) -> bool:
    """Says whether a statement is ``if __name__ == "__main__":``."""
    return (
        isinstance(stmt, ast.If)
        and isinstance(stmt.test, ast.Compare)
        and isinstance(stmt.test.left, ast.Name)
        and stmt.test.left.id == "__name__"
    )


def _asked_by(stmt: ast.stmt) -> set[str]:
    """Returns the names of objects that a top-level assignment may change:
    it calls a method, or gives them away.
    """
    if not isinstance(stmt, ast.Assign | ast.AnnAssign):
        return set()
    calls = [node for node in ast.walk(stmt) if isinstance(node, ast.Call)]
    roots = {
        root for call in calls if isinstance(call.func, ast.Attribute) and (root := chain_root(call.func))
    }
    return roots | {name for call in calls for name in given_to(call)}


def given_to(call: ast.Call) -> set[str]:
    """Returns the names that are arguments of a call."""
    values = (*call.args, *(keyword.value for keyword in call.keywords))
    return {value.id for value in values if isinstance(value, ast.Name)}


def chain_root(node: ast.AST) -> str | None:
    """Returns the name that attributes, calls and subscripts begin with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def may_change(stmts: Iterable[ast.stmt]) -> bool:
    """Says whether what these statements define can be changed by whoever has it."""
    values = [stmt.value for stmt in stmts if isinstance(stmt, ast.Assign)]
    return any(isinstance(value, CHANGEABLE) for value in values)


def _is_import(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Import | ast.ImportFrom)


def _local_names(stmt: ast.stmt) -> list[str]:
    assert isinstance(stmt, ast.Import | ast.ImportFrom)
    return [alias.asname or alias.name.partition(".")[0] for alias in stmt.names]
