"""Remembers what the installed cookbooks bring, for as long as no source of them changes.

Dagster and all cookbooks take more than a second to load. A listing, the help of a recipe and the shell's
completion need only what those said last time.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import blut_assets
from blut_assets.chosen import chosen
from blut_assets.cli.shell.completion import quietly
from blut_assets.terminal.output import wrong
from blut_assets.versions.files import Stat, note_beside, read_note, stat_of, write_note
from blut_resources.text import meant

CATALOGUE = 5
"""Raise when `describe` says something else of the same sources."""
ALWAYS = ("blut_assets", "blut_resources", "cookbooks", "sensors")


def catalogue() -> dict[str, Any]:
    """Returns ``recipes``, ``stages``, ``commands`` and ``left_out``, out of the note or the definitions.

    Raises:
        UnknownCookbook: $BLUT_COOKBOOKS names one that is not installed.
    """
    points = [[point.name, point.value] for point in chosen()]
    places = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100
    of = [CATALOGUE, sys.version, places, points]
    note = note_beside(Path(blut_assets.__file__), "catalogue")
    known = read_note(note, of)
    if known and all(list(stat_of(path)) == stat for path, stat in known["files"].items()):
        return known["described"]
    described, files = _load([value for _, value in points])
    if not described["left_out"]:  # one that is left out may be mended without a change of its source
        write_note(note, {"of": of, "files": files, "described": described}, list(files.values()))
    return described


def _load(points: Sequence[str]) -> tuple[dict[str, Any], dict[str, Stat]]:
    from blut_assets.cli.shell.describe import describe
    from blut_assets.definitions import discovered

    roots = {*ALWAYS, *(value.partition(":")[0].partition(".")[0] for value in points)}
    return describe(discovered), {path: stat_of(path) for path in sorted(_sources(roots))}


def _sources(roots: Iterable[str]) -> set[str]:
    """Returns the files of all modules loaded below these packages."""
    kept = set(roots)
    return {
        file
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in kept and (file := getattr(module, "__file__", None))
    }


def recipes() -> list[dict[str, Any]]:
    """Returns every recipe, by category and name; whoever loads the cookbooks says which are left out."""
    return sorted(catalogue()["recipes"], key=lambda one: (one["category"], one["name"]))


def recipe_named(name: str) -> dict[str, Any]:
    """Returns what is known of one recipe; ends the command if there is none of that name."""
    known = {one["name"]: one for one in recipes()}
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        wrong(f"no recipe is called {name!r}{meant(name, known)}; there are: {there}")
    return known[name]


@quietly
def complete_recipe() -> Iterator[tuple[str, str]]:
    """Yields recipes."""
    return ((one["name"], one["description"]) for one in catalogue()["recipes"])


@quietly
def complete_config() -> Iterator[tuple[str, str]]:
    """Yields the names of settings files of the project and of the user."""
    from blut_assets.layers.directories import names_of_files

    return ((name, "a file of settings") for name in names_of_files())


@quietly
def complete_stage() -> Iterator[tuple[str, str]]:
    """Yields stages."""
    return ((one["name"], one["output"]) for one in catalogue()["stages"])
