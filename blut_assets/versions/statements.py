"""Keeps the statements of a module that can change what it does, and drops what is only said to a reader."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

SAID = frozenset({"description", "title", "examples"})
"""Words of a pydantic ``Field`` that change no value."""

LEASED = frozenset({"cpus", "network", "disk"})
"""Words of a ``Footprint`` that change no result. Its others count: results that exist are known by them."""


def meaningful(data: bytes, path: str) -> ast.Module:
    """Returns the tree of a module without strings that stand alone,
    blocks for a type checker, and annotations.

    In the body of a class an annotation stays: there it is a type, a bound, a ``ClassVar``. The description
    of a pydantic field goes, and what an asset leases. A module that reads ``__doc__`` keeps its strings.

    Raises:
        SyntaxError: if it is none.
    """
    tree = ast.parse(data, path)
    documented = b"__doc__" in data and any(_word(node) == "__doc__" for node in ast.walk(tree))
    tree.body = _block(tree.body, in_class=False, documented=documented)
    return tree


def _word(node: ast.AST) -> str | None:
    """Returns the last word of a name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def _block(body: Sequence[ast.stmt], in_class: bool, documented: bool) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for stmt in body:
        if isinstance(stmt, ast.Expr) and _is_string(stmt.value) and not documented:
            continue
        if isinstance(stmt, ast.AnnAssign) and not in_class:
            if stmt.value is None:
                continue
            stmt = ast.copy_location(ast.Assign([stmt.target], stmt.value), stmt)
        if isinstance(stmt, ast.If) and _is_type_checking(stmt.test):
            found += _block(stmt.orelse, in_class, documented)
            continue
        found.append(_inside(stmt, in_class, documented))
    return found


def _inside(stmt: ast.stmt, in_class: bool, documented: bool) -> ast.stmt:
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef):
        stmt.returns = None
        # of what is registered by its type, as singledispatch does it, the annotation is what it is for
        typed = any(_word(decorator) == "register" for decorator in stmt.decorator_list)
        for argument in _arguments(stmt.args) if not typed else ():
            argument.annotation = None
        for decorator in stmt.decorator_list:
            _drop_leased(decorator)
        in_class = False
    elif isinstance(stmt, ast.ClassDef):
        in_class = True
    if in_class and isinstance(stmt, ast.Assign | ast.AnnAssign):
        _drop_said(stmt)
    for holder, name, block in _blocks(stmt):
        kept = _block(block, in_class, documented)
        setattr(holder, name, kept or ([ast.Pass()] if name == "body" else []))
    return stmt


def _drop_said(stmt: ast.Assign | ast.AnnAssign) -> None:
    """Take the description out of a field, whether it is its value or in its ``Annotated`` type."""
    parts = [stmt.value, *([stmt.annotation] if isinstance(stmt, ast.AnnAssign) else [])]
    for call in (node for part in parts if part for node in ast.walk(part)):
        if isinstance(call, ast.Call) and _word(call.func) == "Field":
            call.keywords = [k for k in call.keywords if k.arg not in SAID or not _is_string(k.value)]


def _drop_leased(decorator: ast.expr) -> None:
    """Take what is leased out of the footprint of an asset, which other functions may refer to."""
    if not isinstance(decorator, ast.Call):
        return
    for keyword in [*decorator.keywords]:
        call = keyword.value
        if keyword.arg == "footprint" and isinstance(call, ast.Call) and _word(call.func) == "Footprint":
            call.keywords = [one for one in call.keywords if one.arg not in LEASED]
            if not (call.keywords or call.args):
                decorator.keywords.remove(keyword)


def _arguments(args: ast.arguments) -> list[ast.arg]:
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]


def _is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_type_checking(test: ast.expr) -> bool:
    return _word(test) == "TYPE_CHECKING"


def _blocks(stmt: ast.AST) -> Iterator[tuple[ast.AST, str, list[ast.stmt]]]:
    """Yields the blocks directly inside a statement, with where they hang."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(stmt, name, None)
        if isinstance(block, list) and block:
            yield stmt, name, block
    for child in (*getattr(stmt, "handlers", ()), *getattr(stmt, "cases", ())):
        yield child, "body", child.body


def statements_in(body: Iterable[ast.stmt], deep: bool) -> Iterator[ast.stmt]:
    """Yields statements with those inside them; those inside functions and classes only if ``deep``."""
    for stmt in body:
        yield stmt
        if deep or not isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for _, _, block in _blocks(stmt):
                yield from statements_in(block, deep)


def defined_by(stmt: ast.stmt) -> list[str]:
    """Returns the names that a statement binds or changes, but for an import."""
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [stmt.name]
    targets: list[ast.AST] = []
    if isinstance(stmt, ast.Assign):
        targets = [*stmt.targets]
    elif isinstance(stmt, ast.AugAssign | ast.AnnAssign | ast.For | ast.AsyncFor):
        targets = [stmt.target]
    elif isinstance(stmt, ast.With | ast.AsyncWith):
        targets = [item.optional_vars for item in stmt.items if item.optional_vars]
    elif isinstance(stmt, ast.Match):
        targets = [*stmt.cases]
    found = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    if isinstance(stmt, ast.Match):
        found += [
            n.name
            for t in targets
            for n in ast.walk(t)
            if isinstance(n, ast.MatchAs | ast.MatchStar) and n.name
        ]
    return found + _walrus(stmt)


def _walrus(stmt: ast.stmt) -> list[str]:
    heads = (child for child in ast.iter_child_nodes(stmt) if isinstance(child, ast.expr))
    return [
        node.target.id
        for head in heads
        for node in ast.walk(head)
        if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name)
    ]


def plain(value: Any) -> Any:
    """Returns a node as nested tuples without positions: what ``ast.dump`` says, in half the time."""
    if isinstance(value, ast.AST):
        return (type(value).__name__, *[plain(getattr(value, name, None)) for name in value._fields])
    return [plain(item) for item in value] if isinstance(value, list) else value
