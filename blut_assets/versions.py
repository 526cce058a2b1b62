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
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_assets.source_files import (
    SUMMARY,
    Source,
    Stat,
    cookbook_root,
    defined_by,
    dump_digest,
    flat,
    followed,
    module_path,
    module_source,
    note_beside,
    parse,
    read_note,
    root_path,
    stat_of,
    write_note,
)
from blut_resources.payload_code import digest_bytes
from blut_resources.payload_files import PayloadFiles


class CodeEdited(Exception):
    """A file says something else than when the definitions were loaded; the message names it."""


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
    environment: str | None = None,
) -> str:
    """What a result depends on, in one value: two computations with the same one are interchangeable."""
    spec = {"asset": asset, "code": code_version, "partition": partition}
    spec |= {"environment": environment} if environment else {}
    return digest_json({**spec, "inputs": dict(inputs), "config": dict(config)})


@dataclass(frozen=True)
class PayloadSource:
    """The file of a payload module as it was when the definitions were loaded."""

    module: str
    path: Path
    stat: Stat
    digest: str

    def is_edited(self) -> bool:
        """True if the file's statements have changed; a touched file or an edited comment has not."""
        if stat_of(self.path) == self.stat:
            return False
        return not self.path.is_file() or parse(self.path).digest != self.digest

    def bytes_digest(self) -> str:
        """Digest of the file's bytes now. Raises CodeEdited if its statements have changed."""
        with contextlib.suppress(OSError, SyntaxError):
            data, stat = self.path.read_bytes(), stat_of(self.path)
            if stat == self.stat or Source(self.path, stat, data).own_digest == self.digest:
                return digest_bytes(data)
        raise CodeEdited(
            f"{self.path} changed after the definitions were loaded: reload the code location and run again"
        )


@dataclass(frozen=True)
class CodeVersion:
    """The digest of an asset's source, and of each part so that a change can be named."""

    value: str
    parts: Mapping[str, str]
    payload_sources: tuple[PayloadSource, ...]

    def edited_since_load(self) -> list[str]:
        """Payload files that say something else than when the definitions were loaded."""
        return [str(source.path) for source in self.payload_sources if source.is_edited()]

    def files(self, module: str) -> PayloadFiles | None:
        """What a payload is to be started from; None if the module is no part of this version.

        Raises:
            CodeEdited: if one of its files says something else by now.
        """
        if module not in self.parts:
            return None
        return PayloadFiles(
            modules={source.module: str(source.path) for source in self.payload_sources},
            digests={str(source.path): source.bytes_digest() for source in self.payload_sources},
            root=str(_directory(module)),
        )


def code_version(function: Callable[..., Any], payloads: Sequence[str], schema: int) -> CodeVersion:
    """The code version of an asset function and the payload modules that it runs.

    It is remembered beside the byte code for as long as every file that it was made of stands.

    Raises:
        ModuleNotFoundError: if a payload module does not exist.
    """
    own = inspect.getsourcefile(function)
    if own is None:
        raise OSError(f"no source file for {function.__qualname__}")
    question = [SUMMARY, own, function.__module__, function.__qualname__, list(payloads), schema]
    note = note_beside(Path(own), f"{function.__qualname__.replace('<locals>', '')}.blut")
    known = read_note(note, question)
    if known and _stands(known):
        return _code_version(known["parts"], schema, known["sources"])
    with followed() as trail:
        parts, sources = _parts(function, Path(own), payloads)
    found = {"of": question, "parts": parts, "sources": sources, "files": trail.files, "roots": trail.roots}
    write_note(note, {**found, "absent": sorted(trail.absent)}, list(trail.files.values()))
    return _code_version(parts, schema, sources)


def _code_version(parts: dict[str, str], schema: int, sources: Sequence[Sequence[Any]]) -> CodeVersion:
    payloads = tuple(
        PayloadSource(name, Path(path), tuple(stat), parts[name]) for name, path, stat in sources
    )
    return CodeVersion(digest_json({"schema": schema, "parts": parts}), parts, payloads)


def _directory(module: str) -> Path:
    """Where the top-level package of a module lies."""
    top = module.partition(".")[0]
    found = root_path(top)
    if found is None:
        raise ModuleNotFoundError(f"payload module {module!r} does not exist")
    return found.absolute().parent


def _stands(known: Mapping[str, Any]) -> bool:
    """Whether to look again would find the same."""
    return (
        all(str(root_path(root)) == path for root, path in known["roots"].items())
        and all(list(stat_of(path)) == stat for path, stat in known["files"].items())
        and not any(os.path.isfile(path) for path in known["absent"])  # noqa: PTH113
    )


def _parts(
    function: Callable[..., Any], own: Path, payloads: Sequence[str]
) -> tuple[dict[str, str], list[tuple[str, str, Stat]]]:
    """The digest of each part by name; and name, path and stat of the payload modules."""
    modules = {
        name: module_source(name, root) for payload in payloads for name, root in _payload_closure(payload)
    }
    parts = {f"{function.__module__}.{function.__qualname__}": _function_digest(function, own)}
    parts |= {name: source.digest for name, source in sorted(modules.items())}
    return parts, [(name, str(source.path), source.stat) for name, source in modules.items()]


def _payload_closure(payload: str) -> Iterator[tuple[str, str]]:
    root, seen, todo = cookbook_root(payload), set(), [payload]
    if module_path(payload, root) is None:
        raise ModuleNotFoundError(f"payload module {payload!r} does not exist")
    while todo:
        name = todo.pop()
        if name in seen or module_path(name, root) is None:
            continue
        seen.add(name)
        yield name, root
        todo += module_source(name, root).imports


def _function_digest(function: Callable[..., Any], own: Path) -> str:
    """Digest of a function and, by name, of all that it uses from its own cookbook."""
    module = function.__module__
    # a module that was loaded from a file, as `dagster -f` does, is not found by its name
    asset = (module, function.__qualname__.split(".")[0])
    load = functools.partial(_load_name, root=cookbook_root(module), files={module: own}, asset=asset)
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
    return dump_digest([node for _, node in nodes])


def _load_name(
    module: str, name: str, root: str, files: Mapping[str, Path], asset: tuple[str, str]
) -> Iterator[tuple[ast.AST, list[tuple[str, str]]]]:
    source = parse(files[module]) if module in files else module_source(module, root)
    for node in source.names.get(name, []):
        for inner in flat(node):
            if isinstance(inner, ast.Import | ast.ImportFrom) and name in defined_by(inner):
                yield from _imported(inner, name, root)
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.FunctionDef) and (module, name) == asset:
            # the decorator of a stage asset says where it stands in the graph, not what it computes
            node = copy.copy(node)
            node.decorator_list = []
        used = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
        yield node, [(module, other) for other in sorted(used & source.names.keys())]


def _imported(
    node: ast.Import | ast.ImportFrom, name: str, root: str
) -> Iterator[tuple[ast.AST, list[tuple[str, str]]]]:
    if isinstance(node, ast.Import) or node.module is None:
        return
    original = next(a.name for a in node.names if (a.asname or a.name) == name)
    if module_path(f"{node.module}.{original}", root):
        for submodule, _ in _payload_closure(f"{node.module}.{original}"):
            yield module_source(submodule, root).tree, []
    elif module_path(node.module, root):
        yield ast.Pass(), [(node.module, original)]
