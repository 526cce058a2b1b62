"""Asks for `blut doctor` which places have no room, and which files of the history cannot be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.full import full_place, is_nearly_full, one_each, remedy
from blut_resources.instance.places import places


class Fault(NamedTuple):
    """Says what is wrong with a place or a file, and how it is mended."""

    about: str
    what: str
    remedy: str


def full_places(home: Path) -> Iterator[Fault]:
    """Yields the places that a run writes to and that have next to no room, one of each file system."""
    known = places(home)
    for name, place in known.items():
        if place in set(one_each(known.values())) and is_nearly_full(place):
            yield Fault(f"room, {name}", f"{place}: {full_place(place)}", remedy(place, known))


def unreadable(home: Path) -> Iterator[Fault]:
    """Yields the databases and manifests of a history that cannot be read: each costs one run its words."""
    from blut_resources.files.documents import DocumentError
    from blut_resources.instance.damage import cure, damages
    from blut_resources.runs import manifest
    from blut_resources.runs.files import MANIFEST, RUNS

    for path, what in damages(home):
        yield Fault("history", f"{path} {what}", cure(home, path))
    for path in sorted((home / RUNS).glob(f"*/{MANIFEST}")):
        try:
            manifest.read(path)
        except (OSError, DocumentError) as error:
            yield Fault("history", str(error), f"rm {path}: what happened in that run is beside it")
