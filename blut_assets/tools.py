"""Defines what a cookbook's stages need of a machine that pip does not bring; `blut doctor` looks for it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """Describes something that stages call, such as a program.

    Attributes:
        name: what a person calls it; of a program, the name of its file.
        why: what it is needed for.
        remedy: a command that brings it, or what to do; Debian's package of that name if not given.
        find: returns what there is of it, such as a path, or None where it is missing, and raises where it is
            there and of no use; the programs on the PATH are searched if not given.
    """

    name: str
    why: str
    remedy: str = ""
    find: Callable[[], str | None] | None = None

    def found(self) -> str | None:
        """Returns what there is of it, or None where it is missing."""
        return self.find() if self.find else shutil.which(self.name)
