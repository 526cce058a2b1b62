"""Finds the top-level statements that do something when their module is imported, beyond binding names."""

import ast
from collections.abc import Iterable, Iterator

from blut_assets.versions.names import (
    DEFINITIONS,
    Scope,
    chain_root,
    given_to,
    is_main,
    may_change,
    scope_of,
)
from blut_assets.versions.statements import statements_in

BINDING = (ast.Import, ast.ImportFrom, ast.Pass, ast.Global)
COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.For, ast.While, ast.Match)
VALUED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"})
"""Methods that run when a class or an instance is made."""


def effects(scope: Scope) -> list[ast.stmt]:
    """Returns the statements whose effect does not need anybody to use a name of theirs:
    ``TABLE.update(...)``, ``X[0] = 1``, a loop that appends, a decorator or a base class of the project
    that keeps what it gets.
    """
    return [stmt for stmt in scope.body if not is_main(stmt) and _does_something(scope, stmt)]


def act_in_order(statements: Iterable[ast.stmt]) -> bool:
    """Says whether the order of imports matters:
    some do not only call a function of the project for its value.

    What such a function may keep is counted too, but a module that moves is sorted elsewhere among imports.
    """
    for inner in statements_in(statements, deep=False):
        if isinstance(inner, ast.Assign | ast.AugAssign):
            targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
            if not all(map(_is_plain, targets)):
                return True
        elif not isinstance(inner, (*BINDING, *COMPOUND, *VALUED)):
            return True
    return False


def _does_something(scope: Scope, stmt: ast.stmt) -> bool:
    return any(_acts(scope, inner) for inner in statements_in([stmt], deep=False))


def _acts(scope: Scope, stmt: ast.stmt) -> bool:
    if isinstance(stmt, BINDING):
        return False
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*stmt.args.defaults, *filter(None, stmt.args.kw_defaults)]
        return any(_is_own(scope, one) for one in stmt.decorator_list) or _calls_own(scope, defaults)
    if isinstance(stmt, ast.ClassDef):
        return _class_acts(scope, stmt)
    if isinstance(stmt, ast.Assign | ast.AnnAssign):
        targets = stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target]
        return not all(map(_is_plain, targets)) or _calls_own(scope, [stmt.value]) or _gives_away(scope, stmt)
    if isinstance(stmt, COMPOUND):
        heads = [child for child in ast.iter_child_nodes(stmt) if isinstance(child, ast.expr)]
        return _calls_own(scope, heads)
    return not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant))


def _class_acts(scope: Scope, stmt: ast.ClassDef) -> bool:
    bases = [*stmt.bases, *(keyword.value for keyword in stmt.keywords)]
    return (
        any(_is_own(scope, one) for one in stmt.decorator_list)
        or any(_makes(scope, base, "__init_subclass__") for base in bases)
        or any(keyword.arg == "metaclass" and _is_own(scope, keyword.value) for keyword in stmt.keywords)
        or any(_acts(scope, inner) for inner in statements_in(stmt.body, deep=False))
    )


def _is_plain(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_plain, target.elts))
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and _is_plain(target.value))


def _calls_own(scope: Scope, expressions: Iterable[ast.expr | None]) -> bool:
    """Says whether they call something of the project that may keep what it gets."""
    calls = (node for one in expressions if one for node in ast.walk(one) if isinstance(node, ast.Call))
    return any(
        _is_own(scope, call.func) and not _only_makes(scope, call.func) and not _is_asked(scope, call.func)
        for call in calls
    )


def _gives_away(scope: Scope, stmt: ast.Assign | ast.AnnAssign) -> bool:
    """Says whether an object of another module is an argument of a call, which may change it."""
    given = {name for node in ast.walk(stmt) if isinstance(node, ast.Call) for name in given_to(node)}
    targets = (
        target for name in given for target in scope.imports.bound.get(name, ()) if target[0] == "name"
    )
    owners = ((scope.find(target[1]), target[2]) for target in targets)
    return any(own and may_change(scope_of(scope.project, own).defined.get(name, ())) for own, name in owners)


def _is_asked(scope: Scope, node: ast.expr) -> bool:
    """Says whether it is a method of an object of this module: who reaches the object is told of the call."""
    stmts = scope.defined.get(chain_root(node) or "", [])
    return (
        isinstance(node, ast.Attribute) and bool(stmts) and not any(isinstance(s, DEFINITIONS) for s in stmts)
    )


def _is_own(scope: Scope, node: ast.expr) -> bool:
    root = chain_root(node)
    if root is None:
        return False
    return root in scope.defined or any(t[0] != "other" for t in scope.imports.bound.get(root, ()))


def _only_makes(scope: Scope, node: ast.expr) -> bool:
    """Says whether it is a class that is made without a line of its own, such as a dataclass."""
    classes = list(_classes(scope, node))
    return bool(classes) and not any(_has_maker(where, one, MAKERS) for where, one in classes)


def _makes(scope: Scope, node: ast.expr, maker: str) -> bool:
    return any(_has_maker(where, one, frozenset({maker})) for where, one in _classes(scope, node))


def _has_maker(scope: Scope, stmt: ast.ClassDef, makers: frozenset[str]) -> bool:
    own = any(isinstance(inner, ast.FunctionDef) and inner.name in makers for inner in stmt.body)
    inherited = (pair for base in stmt.bases for pair in _classes(scope, base) if pair[1] is not stmt)
    metaclass = any(k.arg == "metaclass" and _is_own(scope, k.value) for k in stmt.keywords)
    return own or metaclass or any(_has_maker(where, one, makers) for where, one in inherited)


def _classes(scope: Scope, node: ast.expr, name: str | None = None) -> Iterator[tuple[Scope, ast.ClassDef]]:
    """Yields the class of the project that a plain name stands for."""
    name = name or (node.id if isinstance(node, ast.Name) else None)
    if name is None:
        return
    stmts = scope.defined.get(name, [])
    yield from ((scope, stmt) for stmt in stmts if isinstance(stmt, ast.ClassDef))
    for target in scope.imports.bound.get(name, ()) if not stmts else ():
        if target[0] == "name" and (own := scope.find(target[1])):
            yield from _classes(scope_of(scope.project, own), node, target[2])
