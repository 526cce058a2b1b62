"""Writes statements as text in which every reference to the project's own source is a blank for a digest.

So a text says nothing of where a module lives or what it is called, nor how it is imported.
"""

import ast
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from blut_assets.versions.names import Names, Scope, Target, scope_of
from blut_assets.versions.paths import Located
from blut_assets.versions.statements import statements_in

BLANK = "\x01"
Ref = tuple[str, ...]
"""``("module", name)``, ``("name", module, name)``, ``("path", path)`` or ``("all",)``, the whole package."""

UNKNOWN_IMPORTS = frozenset(
    {
        *("importlib.import_module", "importlib.__import__", "__import__", "builtins.__import__"),
        *("runpy.run_module", "pkgutil.iter_modules", "pkgutil.walk_packages", "pkgutil.resolve_name"),
        *("eval", "exec", "builtins.eval", "builtins.exec", "sys.modules"),
    }
)
"""What can reach any module, unless it is called with a name that can be read."""
IMPORTERS = frozenset({*UNKNOWN_IMPORTS} - {"eval", "exec", "builtins.eval", "builtins.exec"})
REFLECTIVE = frozenset({"globals", "vars"})
PATHS = (ast.Name, ast.Attribute, ast.BinOp, ast.Call, ast.Subscript)
SKIPPED = frozenset({"ctx", "type_comment", "kind", "type_ignores", "type_params"})


@dataclass
class Dumped:
    """Holds a text, what belongs in its blanks, and what else is referred to.

    ``executed`` are the modules that are imported on the way, ``programs`` those that it names in a string;
    ``unknown`` says where something is imported that cannot be read off, ``places`` where files were looked
    for.
    """

    text: str = ""
    refs: list[Ref] = field(default_factory=list)
    others: list[Ref] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


class Dumper:
    """Dumps statements of one module.

    ``deep`` also makes blanks of the module's own top-level names; else the module counts as a whole, and
    only names of others are blanks.
    """

    def __init__(self, scope: Scope, deep: bool) -> None:
        self._scope, self._deep = scope, deep
        self._project, self._module = scope.project, scope.module
        self._parts: list[str] = []
        self._found = Dumped()
        self._names = scope.imports
        self._located = Located(str(scope.module.path), self._dotted, self._assigned, self._package)

    def dump(self, body: Sequence[ast.stmt]) -> Dumped:
        """Returns the text of statements."""
        inner = self._scope.imports_in(statements_in(body, deep=True))
        outer = self._scope.imports
        self._names = Names({**outer.bound, **inner.bound}, inner.executed, outer.stars)
        self._parts, self._found = [], Dumped(executed=list(dict.fromkeys(inner.executed)))
        self._put(list(body))
        self._found.text = "".join(self._parts)
        return self._found

    def path_of(self, node: ast.expr) -> str | None:
        """Returns the path that an expression comes to, if it is one."""
        return self._located.path(node)

    def _blank(self, refs: Iterable[Ref]) -> None:
        for ref in refs:
            self._parts.append(BLANK)
            self._found.refs.append(ref)

    def _put(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            if not self._put_reference(value):
                self._put_node(value)
        elif isinstance(value, list):
            self._parts.append("[")
            for are_imports, items in itertools.groupby(value, _is_import):
                if are_imports:
                    self._put_imports(list(items))
                    continue
                for item in items:
                    self._put(item)
                    self._parts.append(",")
            self._parts.append("]")
        else:
            self._parts.append(repr(value))

    def _put_node(self, node: ast.AST) -> None:
        self._parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            if name not in SKIPPED:
                self._put(getattr(node, name, None))
                self._parts.append(",")
        self._parts.append(")")

    def _put_reference(self, node: ast.AST) -> bool:
        """Says whether the node stood for something of the project, which is a blank now."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str) and self._put_module_name(node.value)
        if not isinstance(node, ast.expr):
            return False
        if self._scope.may_name_files and isinstance(node, PATHS) and self._put_path(node):
            return True
        if isinstance(node, ast.Call | ast.Subscript):
            return self._put_importer(node)
        return isinstance(node, ast.Name | ast.Attribute) and self._put_name(node)

    def _put_path(self, node: ast.expr) -> bool:
        path = self._located.path(node)
        if path is None:
            return False
        self._parts.append("path")
        if program := self._program(path):
            self._blank([("module", program)])
            self._found.programs.append(program)
        elif path != str(self._module.path) and not (
            node in self._scope.directories and os.path.isdir(path)  # noqa: PTH112
        ):
            self._blank([("path", path)])
        return True

    def _program(self, path: str) -> str | None:
        """Returns the module that a file is, if it is another one of the project."""
        base = self._project.base
        if not path.endswith(".py") or path == str(self._module.path) or not Path(path).is_relative_to(base):
            return None
        name = ".".join(Path(path).relative_to(base).with_suffix("").parts)
        found = self._scope.find(name)
        return name if found and str(found.path) == path else None

    def _put_imports(self, nodes: list[ast.Import | ast.ImportFrom]) -> None:
        """Put what is bound, in no order: the same imports are spelled and sorted in many ways.

        The order in which modules run is kept elsewhere, for those that do something when they are run.
        """
        found = self._scope.imports_in(nodes)
        self._found.others += [("module", star) for star in found.stars]
        for name in sorted(found.bound):
            self._parts.append(f"import {name} ")
            for target in found.bound[name]:
                if target[0] == "other":
                    self._parts.append(target[1])
                elif self._deep:
                    continue  # who uses the name refers to what it is
                elif target[0] == "name":
                    self._parts.append(f".{target[2]}")
                    self._blank(self._refs_to(target))
                elif not self._is_package(target[1]):
                    self._blank([target])
        plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names if not a.asname}
        plain |= {f"{node.module}.*" for node in nodes if _is_star(node)}
        own = {name for name in plain if self._scope.is_known(name.removesuffix(".*"))}
        self._parts.append(",".join(sorted(plain - own)))
        modules = [name for name in own if self._scope.find(name) and not self._is_package(name)]
        self._found.others += [("module", name) for name in modules if not self._deep]

    def _put_module_name(self, text: str) -> bool:
        """Put a string that names a module, such as a payload's, or what ``python -m`` is to run."""
        if not text.startswith(f"{self._project.top}."):
            return False
        if self._scope.is_directory(text):
            text = f"{text}.__main__"
        if self._scope.find(text) is None:
            return False
        self._parts.append("module")
        self._blank([("module", text)])
        self._found.programs.append(text)
        return True

    def _put_importer(self, node: ast.Call | ast.Subscript) -> bool:
        """Put ``import_module`` and its like, called with a name that can be read."""
        called = node.func if isinstance(node, ast.Call) else node.value
        args = node.args if isinstance(node, ast.Call) else [node.slice]
        name, said = self._dotted(called), ""
        if isinstance(called, ast.Attribute) and self._dotted(called.value) == "sys.modules":
            name, said = "sys.modules", called.attr
        if name not in IMPORTERS or not args:
            return False
        first = args[0]
        if isinstance(first, ast.Name) and first.id == "__name__":
            target = self._module.name
        elif isinstance(first, ast.Constant) and isinstance(first.value, str):
            target = first.value
        else:
            return False
        level = len(target) - len(target.lstrip("."))
        if level and not self._is_own_package(args[1:], node):
            return False
        target = self._scope.absolute(level, target[level:] or None)
        known = self._scope.find(target)
        self._parts.append(f"{name}.{said}({'' if known else target}")
        self._blank([("module", target)] if known else [])
        self._put(args[1:])
        self._put(node.keywords if isinstance(node, ast.Call) else [])
        self._parts.append(")")
        return True

    def _is_own_package(self, rest: Sequence[ast.expr], node: ast.Call | ast.Subscript) -> bool:
        words = [*rest, *(k.value for k in getattr(node, "keywords", ()))]
        return any(isinstance(word, ast.Name) and word.id in ("__package__", "__name__") for word in words)

    def _put_name(self, node: ast.Name | ast.Attribute) -> bool:
        root, attributes = _chain(node)
        if root is None:
            if isinstance(node, ast.Attribute) and node.attr == "__subclasses__":
                self._put_unknown(node)
            return False
        dotted = self._dotted(node)
        if dotted in UNKNOWN_IMPORTS or attributes[-1:] == ["__subclasses__"]:
            self._put_unknown(node)
            return False
        if self._deep and not attributes and dotted in REFLECTIVE:
            self._blank([("module", self._module.name)])
            return False
        targets = self._names.bound.get(root)
        if targets is None or (self._deep and root in self._scope.defined):
            return self._put_own(root, attributes)
        if not self._deep and not self._is_blank_here(targets):
            return False
        if all(target[0] == "other" for target in targets):
            self._parts.append(".".join([targets[0][1], *attributes]))
            return True
        for target in targets:
            self._follow(target, attributes)
        return True

    def _put_unknown(self, node: ast.expr) -> None:
        """Let all modules count, since it may be any."""
        self._blank([("all",)])
        self._found.unknown.append(f"{self._module.path}:{node.lineno}")

    def _is_blank_here(self, targets: Sequence[Target]) -> bool:
        """Says of a module that counts as a whole whether it is a package,
        of which but a part may be used.
        """
        return any(target[0] == "module" and self._is_package(target[1]) for target in targets)

    def _put_own(self, root: str, attributes: Sequence[str]) -> bool:
        if not self._deep:
            return False
        refs = name_refs(self._scope, root)
        if not refs:
            return False
        self._blank(refs)
        self._parts.append("".join(f".{attribute}" for attribute in attributes))
        return True

    def _follow(self, target: Target, attributes: Sequence[str]) -> None:
        """Go from a module to its attributes, as far as these are modules too."""
        rest = list(attributes)
        while target[0] == "module" and rest:
            found = self._scope.targets_in(target[1], rest[0])
            if found[0][0] == "other":
                break
            for other in found[1:]:
                self._blank(self._refs_to(other))
            target = found[0]
            rest.pop(0)
        self._blank(self._refs_to(target))
        self._parts.append("".join(f".{attribute}" for attribute in rest))

    def _refs_to(self, target: Target) -> list[Ref]:
        if target[0] != "name":
            return [target] if target[0] == "module" else []
        _, module, name = target
        own = self._scope.find(module)
        if own is None or (not self._deep and not own.is_package):
            return [("module", module)]
        return name_refs(scope_of(self._project, own), name) or [("module", module)]

    def _is_package(self, name: str) -> bool:
        return self._scope.is_directory(name)

    def _dotted(self, node: ast.expr) -> str:
        root, attributes = _chain(node)
        if root is None:
            return ""
        targets = self._names.bound.get(root, [("other", root)])
        return ".".join([*targets[0][1:], *attributes])

    def _assigned(self, node: ast.expr) -> str | None:
        """Returns the path that a constant of this module or another one comes to."""
        root, attributes = _chain(node)
        if root is None:
            return None
        targets = self._names.bound.get(root, [("name", self._module.name, root)])
        own = self._scope.find(targets[0][1]) if targets[0][0] == "module" else None
        if own and attributes == ["__file__"]:
            return str(own.path)
        if own and len(attributes) == 1:
            return constant_path(scope_of(self._project, own), attributes[0])
        return constant_path(self._scope, root) if not attributes else None

    def _package(self, node: ast.expr | None) -> str | None:
        """Returns the directory of a package that is named by a string, by itself, or by ``__package__``."""
        name = self._module.package
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
        elif isinstance(node, ast.Name | ast.Attribute) and not (
            isinstance(node, ast.Name) and node.id in ("__package__", "__name__", "__spec__")
        ):
            name = self._dotted(node)
        if not name or not self._scope.is_directory(name):
            return None
        return str(self._project.base.joinpath(*name.split(".")))


def name_refs(scope: Scope, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> list[Ref]:
    """Returns what a top-level name of a module refers to; through imports to where it is defined."""
    key = (scope.module.name, name)
    if key in seen:
        return []
    if name in scope.defined:
        return [("name", *key)]
    targets = scope.imports.bound.get(name)
    if targets is None:
        stars = scope.imports.stars
        listed: list[Ref] = [("module", star) for star in stars if star.rpartition(".")[2] == name]
        return [*listed, *(ref for star in stars for ref in _through(scope, star, name, seen | {key}))]
    found: list[Ref] = []
    for target in targets:
        if target[0] == "module":
            found.append(target)
        elif target[0] == "name":
            found += _through(scope, target[1], target[2], seen | {key}) or [("module", target[1])]
    return found


def _through(scope: Scope, module: str, name: str, seen: frozenset[tuple[str, str]]) -> list[Ref]:
    own = scope.find(module)
    return name_refs(scope_of(scope.project, own), name, seen) if own else []


def constant_path(scope: Scope, name: str) -> str | None:
    """Returns the path that a top-level constant comes to, where it is assigned once."""
    if name not in scope.paths:
        scope.paths[name] = None  # while it is found out: it may be made from itself
        scope.paths[name] = _constant_path(scope, name)
    return scope.paths[name]


def _constant_path(scope: Scope, name: str) -> str | None:
    stmts = scope.defined.get(name, [])
    if len(stmts) == 1 and isinstance(stmts[0], ast.Assign) and isinstance(stmts[0].targets[0], ast.Name):
        return Dumper(scope, deep=True).path_of(stmts[0].value)
    for target in scope.imports.bound.get(name, ()) if not stmts else ():
        if target[0] == "name" and (own := scope.find(target[1])):
            return constant_path(scope_of(scope.project, own), target[2])
    return None


def _chain(node: ast.AST) -> tuple[str | None, list[str]]:
    """Returns ``a.b.c`` as ``a`` and its attributes; None if it begins with anything but a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    return (node.id, attributes) if isinstance(node, ast.Name) else (None, [])


def _is_star(node: ast.Import | ast.ImportFrom) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and not node.level and node.names[0].name == "*"


def _is_import(item: Any) -> bool:
    return isinstance(item, ast.Import | ast.ImportFrom)
