"""Prints what an artifact was made of, as a tree of lines, and all of it as plain values."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from blut_assets.cli.shell.catalogue import catalogue
from blut_assets.cli.shell.describe import SOURCE
from blut_assets.history.lineage import Lineage, MadeArtifact
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.terminal.output import duration, moment, size
from blut_resources.registry.models import ModelRegistry
from blut_resources.store.artifacts import ArtifactStore

SHORT = 12
LONGEST = 60
"""Characters of a setting that a line shows."""
WIDTH = 110
NO_BREAK = "\N{NO-BREAK SPACE}"
EMPTY = (None, "", [], {})


class Ancestry:
    """Says of each artifact what it is called, where it is, and who made it of what."""

    def __init__(self, instance: dg.DagsterInstance, store: ArtifactStore, lineage: Lineage) -> None:
        self._instance, self._lineage = instance, lineage
        self._sources = {one["name"] for one in catalogue()["stages"] if one["runs"] == SOURCE}
        registry = ModelRegistry(store.root / "registry")
        self._names = registered(registry)
        versions = [record for name in registry.names() for record in registry.versions(name).values()]
        self._versions = {record.candidate: record for record in versions}
        self._there = {item.digest: item for item in store.list()}
        self._runs: dict[str, dict[str, Any]] = {}

    def up(self, digest: str) -> list[str]:
        """Returns the lines about an artifact and, indented, about what it was made of."""
        return [*self._up(digest, "", 0, set())]

    def down(self, digest: str) -> list[str]:
        """Returns the lines about what was made of an artifact."""
        return [*self._down(digest, 0, {digest})] or ["  nothing that is known"]

    def runs(self, digest: str) -> list[dict[str, Any]]:
        """Returns the runs behind an artifact, the one that made it first: recipe, args, what is left."""
        return [self._run(run) for run in self._run_ids(self._lineage.above(digest))]

    def title(self, digest: str) -> str:
        """Returns an artifact in a line: its asset, digest and size, and what is registered of it."""
        assets = dict.fromkeys(way.asset for way in self._lineage.ways(digest))
        names = ", ".join(self._names.get(digest, ()))
        there = self._there.get(digest)
        about = size(there.n_bytes) if there else "no longer in the store"
        return " ".join(filter(None, [", ".join(assets), digest[:SHORT], f"({about})", names]))

    def node(self, digest: str) -> dict[str, Any]:
        """Returns all that is known of one artifact, as plain values."""
        there = self._there.get(digest)
        return {
            "digest": digest,
            "names": self._names.get(digest, []),
            "bytes": there.n_bytes if there else None,
            "path": str(there.location) if there else "",
            "made": [
                {
                    "asset": way.asset,
                    "run": way.run_id,
                    "recipe": self._run(way.run_id)["recipe"],
                    "at": way.at,
                    "elsewhere": way.elsewhere,
                    "seconds": way.seconds,
                    "config": dict(way.settings),
                    "inputs": [{"name": name, "digest": of} for name, of in way.inputs.items()],
                }
                for way in self._lineage.ways(digest)
            ],
        }

    def run_lines(self, digest: str) -> list[str]:
        """Returns lines about each run behind an artifact: its recipe and its args."""
        lines = []
        ways = [way for one in self._lineage.above(digest) for way in self._lineage.ways(one)]
        elsewhere = {way.run_id: f"of {way.elsewhere}" for way in ways if way.elsewhere}
        for run in self.runs(digest):
            deleted = "deleted; what it made is noted in the store"
            gone = "" if run["known"] else elsewhere.get(run["run"], deleted)
            lines.append(f"  {run['run'][:8]}  {run['recipe'] or gone or 'no recipe'}")
            lines += _settings(run["args"], "    ")
        return lines

    def _up(self, digest: str, role: str, depth: int, seen: set[str]) -> Iterator[str]:
        indent = "  " * depth
        head = f"{indent}{f'{role}: ' if role else ''}{self.title(digest)}"
        yield f"{head} (above)" if digest in seen else head
        if digest in seen:
            return
        seen.add(digest)
        ways = self._lineage.ways(digest)
        if not ways and (version := self._versions.get(digest)):
            yield f"{indent}  registered as {version.model} by run {version.run[:8]}, which is not known here"
            for name, needed in version.inputs.items():
                yield from self._up(needed, name, depth + 1, seen)
        elif not ways:
            there = self._there.get(digest)
            where = f"it is at {there.location}" if there else "it is not in the store either"
            yield f"{indent}  no run is known that made it; {where}"
        for number, way in enumerate(ways):
            verb = "seen" if way.asset in self._sources else "made"
            yield f"{indent}  {'also ' if number else ''}{verb} by {self._how(way)}"
            yield from _settings(way.settings, f"{indent}  ")
            for name, above in way.inputs.items():
                if name in way.looked_up and above not in self._there and not self._lineage.ways(above):
                    yield f"{indent}  {name}: {above[:SHORT]}, looked up where it was made"
                else:
                    yield from self._up(above, name, depth + 1, seen)

    def _down(self, digest: str, depth: int, seen: set[str]) -> Iterator[str]:
        for role, made in self._lineage.uses(digest):
            again = made.digest in seen
            indent = "  " * (depth + 1)
            yield f"{indent}{self.title(made.digest)}, of it as {role}{' (above)' if again else ''}"
            if not again:
                seen.add(made.digest)
                yield f"{indent}  by {self._how(made)}"
                yield from self._down(made.digest, depth + 1, seen)

    def _how(self, way: MadeArtifact) -> str:
        run = self._run(way.run_id)
        gone = f" of {way.elsewhere}" if way.elsewhere else ", which was deleted"
        of = f" of {run['recipe']}" if run["recipe"] else "" if run["known"] else gone
        took = f", {duration(way.seconds)}" if way.seconds is not None else ""
        return f"run {way.run_id[:8]}{of}, {moment(way.at)}{took}"

    def _run_ids(self, digests: list[str]) -> list[str]:
        return list(dict.fromkeys(way.run_id for one in digests for way in self._lineage.ways(one)))

    def _run(self, run_id: str) -> dict[str, Any]:
        if run_id not in self._runs:
            run = self._instance.get_run_by_id(run_id)
            recipe = run.tags.get(RECIPE_TAG, "") if run else ""
            self._runs[run_id] = {
                "run": run_id,
                "known": run is not None,
                "recipe": recipe,
                "args": (args_of(run) if run and recipe else None) or {},
            }
        return self._runs[run_id]


def registered(registry: ModelRegistry) -> dict[str, list[str]]:
    """Returns, by digest, the registered versions and aliases that stand for it or need it."""
    names: dict[str, dict[str, None]] = {}
    for name in registry.names():
        for record in registry.versions(name).values():
            names.setdefault(record.candidate, {})[record.model] = None
            for role, digest in {**record.inputs, "verdict": record.verdict}.items():
                if digest != record.candidate:
                    names.setdefault(digest, {})[f"{role} of {record.model}"] = None
        for entry in registry.aliases(name).values():
            names.setdefault(entry.candidate, {})[entry.model] = None
    return {digest: list(found) for digest, found in names.items()}


def _settings(values: Mapping[str, Any], indent: str) -> list[str]:
    """Returns settings in lines, without those that are empty."""
    words = [f"{name}={_short(value)}" for name, value in sorted(filled(values).items())]
    text = " ".join(word.replace(" ", NO_BREAK) for word in words)
    width = max(WIDTH - len(indent), LONGEST)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [indent + line.replace(NO_BREAK, " ") for line in lines]


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings without those that are empty."""
    inner = {name: filled(one) if isinstance(one, Mapping) else one for name, one in values.items()}
    return {name: one for name, one in inner.items() if one not in EMPTY}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
