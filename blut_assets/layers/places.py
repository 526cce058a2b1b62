"""Finds named files of settings, and those of a cookbook, which may lie in an archive."""

import inspect
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from blut_assets.layers.directories import (
    CONFIGS,
    Shelf,
    own_shelves,
    project_directory,
    user_directory,
)
from blut_assets.recipes import Recipe
from blut_assets.recipes.args import ArgsError
from blut_resources.text import meant


def cookbook_shelf(recipe: Recipe) -> Shelf | None:
    """Returns the directory ``configs`` of the package nearest around a recipe; None if none has any.

    The package may lie in an archive.
    """
    whole = inspect.unwrap(getattr(recipe.configure, "func", recipe.configure))
    for module in (getattr(whole, "__module__", ""), recipe.args.__module__):
        package = module if hasattr(sys.modules.get(module), "__path__") else module.rpartition(".")[0]
        while package:
            with suppress(ImportError, OSError, TypeError, ValueError):
                place = files(package).joinpath(CONFIGS)
                if place.is_dir():
                    return Shelf(place, believed=True)
            package = package.rpartition(".")[0]
    return None


def shelf_beside(file: Traversable, *, believed: bool) -> Shelf | None:
    """Returns the directory in which the groups of a file are looked for first; None in an archive."""
    if not isinstance(file, Path):
        return None
    above = file.resolve().parent
    return Shelf(above if above.name == CONFIGS else above / CONFIGS, believed)


def named(name: str, shelves: Sequence[Shelf], what: str) -> tuple[Traversable, Shelf]:
    """Returns the file of a name, from the first of the directories that has one.

    Args:
        what: how it was asked for, for the message.

    Raises:
        ArgsError: none has it; which names there are.
    """
    for shelf in shelves:
        file = shelf.file(name)
        if _is_file(file):
            return file, shelf
    group, _, last = name.rpartition("/")
    there = sorted({one for shelf in shelves for one in shelf.names(group)})
    looked = ", ".join(dict.fromkeys(str(shelf.root) for shelf in shelves)) or "nowhere"
    groups = sorted({one for shelf in shelves for one in shelf.groups()})
    asked = f"{name}.yaml{meant(last, there)}"
    if group and not there and group not in groups:
        asked, there = f"group {group!r}{meant(group, groups)}", groups
    raise ArgsError(
        f"{what}: there is no {asked}; there are: {', '.join(there) or 'none'}; looked in {looked}"
    )


def options_of(recipe: Recipe, group: str) -> list[str]:
    """Returns the options of a group of settings: files of it in the directories of the project, of the user
    and of the cookbook; none where there is no such group.
    """
    cookbook = cookbook_shelf(recipe)
    shelves = [*own_shelves(project_directory(), user_directory()), *([cookbook] if cookbook else [])]
    return sorted({name for shelf in shelves for name in shelf.names(group)})


def _is_file(file: Traversable) -> bool:
    try:
        return file.is_file()
    except OSError as error:
        raise ArgsError(f"{file}: cannot be looked for: {error.strerror or error}") from None
