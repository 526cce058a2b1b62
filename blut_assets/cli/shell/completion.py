"""Completes ids of runs, names of datasets and of registered models, from the files they are in.

A shell waits for each of these, so Dagster is not loaded; and whatever is wrong completes to nothing.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from blut_assets.sweeps.record import HEAD, records
from blut_resources.instance.home import find_home, store_root
from blut_resources.runs.files import MANIFEST, RUNS
from blut_resources.text import one_line

NEWEST = 50
"""Runs that are offered, at most."""
Offers = list[tuple[str, str]]
"""What may stand there, each with a word about it."""


def quietly(find: Callable[[], Iterator[tuple[str, str]]]) -> Callable[[str], Offers]:
    """Returns a completion out of what may stand there:
    of that, what begins as the word does; never an error.
    """

    @wraps(find)
    def complete(incomplete: str) -> Offers:
        logging.getLogger("blut").disabled = True  # neither a warning: a cookbook may be left out
        try:
            offers = ((one_line(text), one_line(about)) for text, about in find())
            return [(text, about) for text, about in offers if text.startswith(incomplete)]
        except Exception:  # an error would be printed into the line that is being typed
            return []

    complete.__annotations__ = {"incomplete": str, "return": Offers}
    del complete.__wrapped__  # type: ignore[attr-defined]
    return complete


@quietly
def complete_run() -> Iterator[tuple[str, str]]:
    """Yields runs, the newest first."""
    return ((run_id, f"{found['recipe'] or found['job']}, {_state(found)}") for run_id, found in _runs())


RUN_ID = "A run's id, or enough of its beginning."
RunId = Annotated[str, typer.Argument(metavar="ID", help=RUN_ID, autocompletion=complete_run)]


@quietly
def complete_working() -> Iterator[tuple[str, str]]:
    """Yields runs that have not ended, and sweeps."""
    yield from (
        (run_id, found["recipe"] or found["job"]) for run_id, found in _runs() if not found["outcome"]
    )
    for one in records(find_home())[:NEWEST]:
        if one.leads() != "no":
            yield one.id, "sweep"


@quietly
def complete_unfinished() -> Iterator[tuple[str, str]]:
    """Yields runs of recipes that can be gone on with."""
    ended = ((run_id, found) for run_id, found in _runs() if found["recipe"] and found["outcome"])
    return ((run_id, f"{m['recipe']}, {_state(m)}") for run_id, m in ended if m["outcome"] != "succeeded")


@quietly
def complete_sweep() -> Iterator[tuple[str, str]]:
    """Yields sweeps, the newest first."""
    return (
        (one.id, f"sweep of {found['recipe']}")
        for one in records(find_home())[:NEWEST]
        for _, found in _readable([one.place / HEAD])
    )


SweepId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A sweep's id, or enough of its beginning.", autocompletion=complete_sweep
    ),
]


@quietly
def complete_dataset() -> Iterator[tuple[str, str]]:
    """Yields datasets."""
    for path, about in _readable(sorted((find_home() / "datasets").glob("*.json"))):
        yield path.stem, about["kind"]


@quietly
def complete_model() -> Iterator[tuple[str, str]]:
    """Yields registered models."""
    return ((path.name, "model") for path in _models())


@quietly
def complete_alias() -> Iterator[tuple[str, str]]:
    """Yields what has an alias now, as ``name@alias``."""
    return (alias for path in _models() for alias in _aliases(path))


@quietly
def complete_version() -> Iterator[tuple[str, str]]:
    """Yields registered versions, as ``name@version``."""
    return (version for path in _models() for version in _versions(path))


@quietly
def complete_reference() -> Iterator[tuple[str, str]]:
    """Complete versions and aliases of registered models."""
    return (one for path in _models() for one in [*_aliases(path), *_versions(path)])


@quietly
def complete_run_or_reference() -> Iterator[tuple[str, str]]:
    """Complete runs, the newest first, and versions and aliases of registered models."""
    yield from ((run_id, f"{found['recipe'] or found['job']}, {_state(found)}") for run_id, found in _runs())
    yield from (one for path in _models() for one in [*_aliases(path), *_versions(path)])


@quietly
def complete_model_or_reference() -> Iterator[tuple[str, str]]:
    """Complete models, versions and aliases."""
    for path in _models():
        yield path.name, "all versions"
        yield from _aliases(path)
        yield from _versions(path)


def _runs() -> Iterator[tuple[str, dict[str, Any]]]:
    folders = (path for path in (find_home() / RUNS).iterdir() if (path / MANIFEST).is_file())
    newest = sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[:NEWEST]
    return ((path.parent.name, found) for path, found in _readable(path / MANIFEST for path in newest))


def _readable(paths: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields what is in these files of JSON; a broken one hides no other."""
    for path in paths:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        yield path, found


def _state(manifest: dict[str, Any]) -> str:
    return manifest["outcome"] or "running"


def _models() -> list[Path]:
    root = store_root(find_home()) / "registry"
    return sorted({path.parent for log in ("versions", "history") for path in root.glob(f"*/{log}.jsonl")})


def _aliases(model: Path) -> Iterator[tuple[str, str]]:
    for path, entry in _readable(sorted((model / "aliases").glob("*.json"))):
        version = entry.get("version")
        yield f"{model.name}@{path.stem}", f"version {version}" if version else "alias"


def _versions(model: Path) -> Iterator[tuple[str, str]]:
    path = model / "versions.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    newest = {(record := json.loads(line))["version"]: record for line in lines}
    for version in sorted(newest, reverse=True):
        yield f"{model.name}@{version}", "passed" if newest[version]["passed"] else "failed"
