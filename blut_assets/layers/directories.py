"""Finds the directories in which a project and a user keep settings, without loading Dagster."""

from collections.abc import Iterator
from contextlib import suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.here import here
from blut_resources.files.named import base_directory

PROJECT, USER, CONFIGS = "blut.yaml", "config.yaml", "configs"
SUFFIXES = (".yaml", ".yml", ".json")


class Shelf(NamedTuple):
    """Stands for a directory ``configs`` in which groups and named files are looked for.

    Attributes:
        believed: whether what lies in it may be anybody's: the package of a cookbook, or what was named.
    """

    root: Traversable
    believed: bool

    def file(self, name: str) -> Traversable:
        """Returns the file of a name such as ``limits/gpu24``, which need not be there."""
        return self.root.joinpath(*name.split("/")[:-1], f"{name.split('/')[-1]}.yaml")

    def names(self, group: str = "") -> list[str]:
        """Returns the names in a group, or those in no group; none where that cannot be read."""
        place = self.root.joinpath(*group.split("/")) if group else self.root
        with suppress(OSError):
            return sorted(
                one.name.removesuffix(".yaml") for one in place.iterdir() if one.name.endswith(".yaml")
            )
        return []

    def groups(self) -> list[str]:
        """Returns the names of the groups; none where that cannot be read."""
        with suppress(OSError):
            return sorted(one.name for one in self.root.iterdir() if one.is_dir())
        return []


def user_directory() -> Path | None:
    """Returns ``~/.config/blut`` (or that in $XDG_CONFIG_HOME); None for who has no home directory."""
    with suppress(RuntimeError):
        return base_directory("XDG_CONFIG_HOME", ".config") / "blut"
    return None


def project_directory(start: Path | None = None) -> Path | None:
    """Returns where a project has its ``blut.yaml`` and ``configs``; None where there is no such directory.

    That is the nearest directory with a ``blut.yaml``: the working directory, or one above, up to the root of
    the repository or the home directory, whichever comes first. Without one it is the root of the repository,
    or else the working directory.
    """
    try:
        start = (start or here()).resolve()
    except OSError:
        return None
    for directory in (start, *start.parents):
        with suppress(OSError):  # one that nobody lets this user look into has none of his settings
            if (directory / PROJECT).exists() or (directory / ".git").exists():
                return directory
        if directory == _home():
            break
    return start


def _home() -> Path | None:
    with suppress(RuntimeError, OSError):
        return Path.home().resolve()
    return None


def is_path(word: str) -> bool:
    """Says whether ``--config`` names a file by its path, and not a name or an option of a group."""
    return word.endswith(SUFFIXES) or word.startswith(("/", "./", "../", "~"))


def path_of(word: str) -> Path:
    """Returns the path that ``--config`` names; ``~`` stays where nobody knows whose home that is."""
    with suppress(RuntimeError):
        return Path(word).expanduser()
    return Path(word)


def own_shelves(project: Path | None, user: Path | None) -> list[Shelf]:
    """Returns where a project and a user keep groups and named files, whether they are there or not."""
    return [Shelf(one / CONFIGS, believed=False) for one in (project, user) if one]


def names_of_files() -> Iterator[str]:
    """Yields the names of the project's and the user's that ``--config`` takes."""
    shelves = own_shelves(project_directory(), user_directory())
    yield from sorted({name for shelf in shelves for name in shelf.names()})
