"""One recipe for every version: code version, config digest, fingerprint.

The code version covers the source that can change an asset's result: its function with everything in the
same cookbook that the function names, and the payload modules it runs with every cookbook module they
import. Comments, docstrings and annotations do not count, so a config class that a function only takes does
not: its values are in the fingerprint. Nor does the framework: a new Blut must not retrain a codec.
"""

import ast
import contextlib
import copy
import functools
import hashlib
import importlib.util
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.store_files import StoreError, write_atomic

SUMMARY = 1
"""Raise when the digest of a module is made in another way."""

SETTLED_NS = 20_000_000


def digest_json(value: Any) -> str:
    """40 hex characters over canonical JSON (a Dagster tag value holds at most 63)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def fingerprint(
    asset: str,
    code_version: str,
    inputs: Mapping[str, str],
    config: Mapping[str, Any],
    partition: str | None = None,
) -> str:
    """What a result depends on, in one value: two computations with the same one are interchangeable."""
    spec = {"asset": asset, "code": code_version, "partition": partition}
    return digest_json({**spec, "inputs": dict(inputs), "config": dict(config)})


@dataclass(frozen=True)
class CodeVersion:
    """The digest of an asset's source, and of each part so that a change can be named."""

    value: str
    parts: Mapping[str, str]
    payload_sources: tuple["_Source", ...]

    def edited_since_load(self) -> list[str]:
        """Payload files that say something else than when the definitions were loaded."""
        return [str(source.path) for source in self.payload_sources if source.is_edited()]


def code_version(function: Callable[..., Any], payloads: Sequence[str], schema: int) -> CodeVersion:
    """The code version of an asset function and the payload modules that it runs.

    Raises:
        ModuleNotFoundError: if a payload module does not exist.
    """
    sources = {
        name: _module_source(name, root) for payload in payloads for name, root in _payload_closure(payload)
    }
    parts = {f"{function.__module__}.{function.__qualname__}": _function_digest(function)}
    parts |= {name: source.digest for name, source in sorted(sources.items())}
    return CodeVersion(digest_json({"schema": schema, "parts": parts}), parts, tuple(sources.values()))


@dataclass(frozen=True)
class _Source:
    path: Path
    stat: tuple[int, int, int]

    def is_edited(self) -> bool:
        """True if the file's statements have changed; a touched file or an edited comment has not."""
        if _stat(self.path) == self.stat:
            return False
        return not self.path.is_file() or _parse(self.path).digest != self.digest

    @functools.cached_property
    def tree(self) -> ast.Module:
        return _statements(ast.parse(self.path.read_bytes(), str(self.path)))

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """``digest`` and ``imports``, remembered beside the byte code for as long as the file stands."""
        note = Path(importlib.util.cache_from_source(str(self.path))).with_suffix(".blut.json")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(note.read_bytes())
            if known["of"] == [SUMMARY, *self.stat]:
                return known
        found = {"of": [SUMMARY, *self.stat], "digest": _dump_digest([self.tree]), "imports": self._imports()}
        # file times advance in steps: a file this young could be written again without showing it
        settled = time.time_ns() - self.stat[1] > SETTLED_NS and _stat(self.path) == self.stat
        if settled and not sys.dont_write_bytecode:
            with contextlib.suppress(StoreError):
                write_atomic(note, json.dumps(found).encode(), durable=False)
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
            for name in {name for inner in _flat(stmt) for name in _defined_by(inner)}:
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


def _payload_closure(payload: str) -> Iterator[tuple[str, str]]:
    root, seen, todo = cookbook_root(payload), set(), [payload]
    if _module_path(payload, root) is None:
        raise ModuleNotFoundError(f"payload module {payload!r} does not exist")
    while todo:
        name = todo.pop()
        if name in seen or _module_path(name, root) is None:
            continue
        seen.add(name)
        yield name, root
        todo += _module_source(name, root).imports


def _function_digest(function: Callable[..., Any]) -> str:
    """Digest of a function and, by name, of all that it uses from its own cookbook."""
    module = function.__module__
    root = cookbook_root(module)
    own = inspect.getsourcefile(function)
    if own is None:
        raise OSError(f"no source file for {function.__qualname__}")
    # a module that was loaded from a file, as `dagster -f` does, is not found by its name
    asset = (module, function.__qualname__.split(".")[0])
    load = functools.partial(_load_name, root=root, files={module: Path(own)}, asset=asset)
    seen: set[tuple[str, str]] = set()
    nodes: list[tuple[str, ast.AST]] = []
    todo = [asset]
    while todo:
        item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        for node, used in load(*item):
            nodes.append((".".join(item), node))
            todo += used
    nodes.sort(key=lambda pair: pair[0])
    return _dump_digest([node for _, node in nodes])


def _load_name(
    module: str, name: str, root: str, files: Mapping[str, Path], asset: tuple[str, str]
) -> Iterator[tuple[ast.AST, list[tuple[str, str]]]]:
    source = _parse(files[module]) if module in files else _module_source(module, root)
    for node in source.names.get(name, []):
        for inner in _flat(node):
            if isinstance(inner, ast.Import | ast.ImportFrom) and name in _defined_by(inner):
                yield from _imported(inner, name, root)
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.FunctionDef) and (module, name) == asset:
            # the decorator of a stage asset says where it stands in the graph, not what it computes
            node = copy.copy(node)
            node.decorator_list = []
        used = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        yield node, [(module, other) for other in sorted(used & source.names.keys())]


def _flat(stmt: ast.stmt) -> list[ast.stmt]:
    """A statement with those inside it, but for the inside of functions and classes."""
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [stmt]
    return [stmt, *(inner for body in _bodies(stmt) for inner in body)]


def _imported(
    node: ast.Import | ast.ImportFrom, name: str, root: str
) -> Iterator[tuple[ast.AST, list[tuple[str, str]]]]:
    if isinstance(node, ast.Import) or node.module is None:
        return
    original = next(a.name for a in node.names if (a.asname or a.name) == name)
    if _module_path(f"{node.module}.{original}", root):
        for submodule, _ in _payload_closure(f"{node.module}.{original}"):
            yield _module_source(submodule, root).tree, []
    elif _module_path(node.module, root):
        yield ast.Pass(), [(node.module, original)]


def _module_path(module: str, root: str) -> Path | None:
    if module != root and not module.startswith(root + "."):
        return None
    base = _root_path(root)
    if base is None:
        return None
    path = base.joinpath(*module.removeprefix(root).split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _root_path(root: str) -> Path | None:
    loaded = sys.modules.get(root)
    spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(root)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).with_suffix("") if spec.origin else None


def _module_source(module: str, root: str) -> _Source:
    path = _module_path(module, root)
    if path is None:
        raise ModuleNotFoundError(module)
    return _parse(path)


@functools.cache
def _parse_at(path: Path, stat: tuple[int, int, int]) -> _Source:
    return _Source(path, stat)


def _parse(path: Path) -> _Source:
    return _parse_at(path, _stat(path))


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1, -1)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _defined_by(stmt: ast.stmt) -> list[str]:
    if isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [stmt.name]
    if isinstance(stmt, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in stmt.names]
    targets = stmt.targets if isinstance(stmt, ast.Assign) else [getattr(stmt, "target", None)]
    return [
        node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)
    ]


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


def _dump_digest(nodes: Sequence[ast.AST]) -> str:
    return hashlib.sha256("\n".join(repr(_plain(node)) for node in nodes).encode()).hexdigest()[:40]


def _plain(value: Any) -> Any:
    """A node as nested tuples without positions: what ``ast.dump`` says, in half the time."""
    if isinstance(value, ast.AST):
        return (type(value).__name__, *[_plain(getattr(value, name, None)) for name in value._fields])
    return [_plain(item) for item in value] if isinstance(value, list) else value
