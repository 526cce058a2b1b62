"""Says which cookbooks are to be loaded: all that are installed, or those that $BLUT_COOKBOOKS names."""

import os
import re
from importlib.metadata import EntryPoint, entry_points

from blut_resources.text import meant

GROUP = "blut.cookbooks"
COOKBOOKS = "BLUT_COOKBOOKS"


class UnknownCookbook(ValueError):
    """Says that $BLUT_COOKBOOKS names a cookbook that is not installed, and which may be meant."""


def chosen() -> list[EntryPoint]:
    """Returns the entry points of the cookbooks to load, in the order of their names.

    Raises:
        UnknownCookbook: one of the names is none: left out in silence, its recipes would seem to be gone.
    """
    points, names = _installed(), _named()
    there = list(dict.fromkeys(point.name for point in points))
    for name in sorted(names.difference(there)):
        raise UnknownCookbook(
            f"{COOKBOOKS}={os.environ[COOKBOOKS]}: no cookbook is called {name!r}{meant(name, there)}; there"
            f" are: {', '.join(there) or 'none'}"
        )
    return [point for point in points if not names or point.name in names]


def not_chosen() -> list[str]:
    """Returns the names of the installed cookbooks that are not to be loaded."""
    names = _named()
    return sorted({point.name for point in _installed()} - names) if names else []


def _installed() -> list[EntryPoint]:
    """Returns each entry point once: one that is installed in two ways is listed twice."""
    points = {(point.name, point.value): point for point in entry_points(group=GROUP)}
    return [points[one] for one in sorted(points)]


def _named() -> set[str]:
    return {name for name in re.split(r"[,\s]+", os.environ.get(COOKBOOKS, "")) if name}
