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
    there = {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}
    names = {name for name in re.split(r"[,\s]+", os.environ.get(COOKBOOKS, "")) if name}
    for name in sorted(names - there.keys()):
        raise UnknownCookbook(
            f"{COOKBOOKS}={os.environ[COOKBOOKS]}: no cookbook is called {name!r}{meant(name, there)}; there"
            f" are: {', '.join(there) or 'none'}"
        )
    return [point for name, point in there.items() if not names or name in names]
