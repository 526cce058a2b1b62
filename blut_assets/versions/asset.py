"""Finds the source of one asset: its function, its payloads and their data, each with its digest."""

import glob
import inspect
import itertools
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from blut_assets.artifacts import Artifact
from blut_assets.versions.dump import Ref
from blut_assets.versions.files import Project, Stat, project_around, project_of, root_path
from blut_assets.versions.graph import SourceGraph, data_files, directories_in, hashed

SHARED = ("name", "taken", "effects")
"""Kinds of nodes that are told of as a part of the asset function."""


class AssetSource:
    """Says what is found out about an asset:
    ``parts`` by name, its payloads' files, and what that rests on.
    """

    def __init__(self, function: Callable[..., Any], own: Path) -> None:
        self._function, self._own = function, own
        self._project = project_around(function.__module__, own)
        self._parts: dict[str, str] = {}
        self._counted: dict[str, tuple[str | None, str, Stat, str]] = {}
        self._roots: dict[str, str] = {}
        self._stats: dict[str, Stat] = {}
        self._programs: list[str] = []
        self._made_of: dict[str, list[str]] = {}
        self._declared_files: dict[str, list[str]] = {}

    def found(self, payloads: Sequence[str], data: Sequence[str], schema: int) -> dict[str, Any]:
        """Returns everything, as a note keeps it."""
        words = [str(schema), self._asset(), *self._declared(data)]
        todo, runs = [*payloads, *self._programs], {}
        while todo:
            if (payload := todo.pop()) not in runs:
                runs[payload], named = self._payload(payload)
                todo += named
        declared = [path for files in self._declared_files.values() for path in files]
        return {
            "value": hashed([*words, *sorted(runs.values())]),
            "parts": self._parts,
            "payloads": {name: [*self._made_of[name], *declared] for name in runs},
            "counted": list(self._counted.values()),
            "roots": self._roots,
            "stats": self._stats,
        }

    def _asset(self) -> str:
        """Returns the digest of the function, and of what is done when its module is imported."""
        module, name = self._function.__module__, self._function.__qualname__.partition(".")[0]
        graph, root = SourceGraph(self._project, (module, name)), ("name", module, name)
        graph.add(root)
        taken = _classes_taken(self._function, self._project)
        graph.add(*taken)
        whole = {ref[1] for ref in graph.nodes if ref[0] == "module"}
        texts = sorted(f"{ref}{node.text}" for ref, node in graph.nodes.items() if ref[0] in SHARED)
        self._parts[f"{module}.{self._function.__qualname__}"] = hashed(texts)
        self._note(graph, whole)
        self._programs += [program for node in graph.nodes.values() for program in node.programs]
        return graph.digest(root, *taken)

    def _payload(self, payload: str) -> tuple[str, list[str]]:
        """Returns the digest of a payload with all that it imports, and the programs that it names."""
        project = self._project
        if project.find(payload) is None or payload.partition(".")[0] != project.top:
            project = project_of(payload)
            self._roots[project.top] = str(root_path(project.top))
        if project.find(payload) is None:
            raise ModuleNotFoundError(f"payload module {payload!r} does not exist")
        key = ("payload", payload)
        if key not in project.kept:
            graph = SourceGraph(project)
            graph.add(("module", payload))
            project.kept[key] = graph, graph.digest(("module", payload))
        graph, digest = project.kept[key]
        self._note(graph, {module.name for module in graph.run})
        self._made_of[payload] = [str(path) for path in (*(m.path for m in graph.run), *graph.data)]
        return digest, [program for node in graph.nodes.values() for program in node.programs]

    def _note(self, graph: SourceGraph, run: Iterable[str]) -> None:
        """Keep what a graph is made of; the modules in ``run`` are loaded by a payload."""
        project = graph.project
        for place in graph.looked_at():
            project.look(place)
            self._stats[place] = project.stats[place]
        for module in filter(None, map(project.find, sorted(run))):
            said = module.source.digest if module.is_python else project.file_digest(module.path)
            if ("module", module.name) in graph.nodes:
                self._parts[module.name] = said
            elif texts := [node.text for ref, node in graph.nodes.items() if ref[1:2] == (module.name,)]:
                self._parts[module.name] = hashed(sorted(texts))
            self._count(module.name if module.is_python else None, module.path, project, said)
        for path in graph.data:
            self._data(path, project)
        for where in {where for node in graph.nodes.values() for where in node.unknown}:
            self._parts[f"all of {project.top}, as {where} may import any of it"] = "all"

    def _data(self, path: Path, project: Project) -> None:
        name = str(path.relative_to(project.base)) if path.is_relative_to(project.base) else str(path)
        self._parts[name] = project.file_digest(path)
        self._count(None, path, project, self._parts[name])

    def _count(self, module: str | None, path: Path, project: Project, said: str) -> None:
        project.look(path)
        self._counted[str(path)] = (module, str(path), project.stats[str(path)], said)

    def _declared(self, data: Sequence[str]) -> list[str]:
        """Returns the digests of files that are declared, whatever they are called."""
        found: list[str] = []
        for pattern in data:
            files = self._matching(pattern)
            if not files:
                raise ValueError(f"data={pattern!r}: no such file beside {self._own}, and nothing matches it")
            self._declared_files[pattern] = [str(file) for file in files]
            for file in files:
                self._data(file, self._project)
                self._rest_on(str(file))
                found.append(self._project.file_digest(file))
        return sorted(found)

    def _matching(self, pattern: str) -> list[Path]:
        words = Path(pattern).parts
        plain = list(itertools.takewhile(lambda word: not glob.has_magic(word), words))
        place = self._own.parent.joinpath(*plain)
        for directory in directories_in(self._project, place):
            self._rest_on(directory)
        paths = place.glob(str(Path(*words[len(plain) :]))) if words[len(plain) :] else [place]
        return sorted({file for path in paths for file in data_files(self._project, path)})

    def _rest_on(self, path: str) -> None:
        self._project.look(path)
        self._stats[path] = self._project.stats[path]


def _classes_taken(function: Callable[..., Any], project: Project) -> list[Ref]:
    """Returns the classes of the function's parameters:
    their methods may be called, so all of a config counts.
    """
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # whoever declares the asset says what is wrong with them
        return []
    found: list[Ref] = []
    for name, taken in hints.items():
        several = typing.get_origin(taken) is dict  # partitions, by key
        hint = typing.get_args(taken)[-1] if several else taken
        if name == "return" or not inspect.isclass(hint) or project.find(hint.__module__) is None:
            continue
        kind = "taken" if issubclass(hint, Artifact) else "name"
        found.append((kind, hint.__module__, hint.__qualname__.partition(".")[0]))
    return found
