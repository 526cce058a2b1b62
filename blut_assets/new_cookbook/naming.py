"""Checks the names of a new cookbook: of a package, an entry point, assets and a model at once."""

import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec

from blut_assets.chosen import GROUP

NAME = re.compile(r"[a-z](?:[a-z0-9_]{0,18}[a-z0-9])?")


class NameRefused(ValueError):
    """Says that a name cannot be that of a new cookbook; the message names it, the reason and the remedy."""


def check_name(name: str) -> None:
    """Refuse what is not a name, and what something else that is installed is called.

    Raises:
        NameRefused: with the first reason found.
    """
    if not NAME.fullmatch(name):
        raise NameRefused(
            f"NAME = {name!r}: 1 to 20 of a-z, 0-9 and '_', beginning with a letter and not ending in '_',"
            " such as plant_shapes: it becomes a Python package, and the first word of asset keys and models"
        )
    if reason := _taken(name):
        raise NameRefused(f"NAME = {name!r}: {reason}; take another name, such as my_{name[:17]}")


def _taken(name: str) -> str:
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a word of the Python language"
    if name in sys.stdlib_module_names:
        return "is a module of Python's standard library"
    for point in entry_points(group=GROUP):
        if point.name == name:
            return f"is an installed cookbook already ({point.value})"
    try:
        found = find_spec(name)
    except (ImportError, ValueError):  # it is there, and is broken
        return "is an installed module already"
    if found is not None:
        return f"is an installed module already ({found.origin or 'a package'})"
    try:
        return f"is an installed distribution already (version {distribution(name).version})"
    except PackageNotFoundError:
        return ""
