"""Appends records to files, one JSON line each, and checks the names that the model registry allows.

A last line without its newline was never confirmed to anybody: readers ignore it, the next writer cuts it
off. Any other line that cannot be read stops everything: a registry that forgets a record would let its
bytes be collected.
"""

import json
import os
import re
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from blut_resources.boxes.locks import Hold
from blut_resources.files.durable import sync
from blut_resources.text import said_of

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class RegistryError(Exception):
    """Says that the registry cannot accept, or does not have, a name, alias or record, and what to do."""


class Record(BaseModel):
    """Stands for one line; ``n`` counts them from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    name: str
    at: str


R = TypeVar("R", bound=Record)


class RecordLog(Generic[R]):
    """Keeps the records of one model in one file. Whoever appends holds the model's lock."""

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path, self._kind = path, kind

    def read(self) -> list[R]:
        """Returns every confirmed record, oldest first; none if there is no file.

        Raises:
            RegistryError: if a confirmed line cannot be read, is missing or was moved.
        """
        if not self.path.exists():
            return []
        confirmed, _, _ = self.path.read_bytes().rpartition(b"\n")
        lines = confirmed.split(b"\n") if confirmed else []
        return [self._parse(number, line) for number, line in enumerate(lines, start=1)]

    def append(self, record: R, alone: Hold) -> None:
        """Add a record; it is on disk when this returns.

        Args:
            alone: the model's lock.

        Raises:
            LockLost: another machine has taken over, since this one was not seen for too long.
        """
        alone.refuse_lost()
        is_new = not self.path.exists()
        self._cut_torn_line()
        line = json.dumps(record.model_dump(mode="json"), sort_keys=True, allow_nan=False) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path.parent)

    def _cut_torn_line(self) -> None:
        if self.path.exists() and (data := self.path.read_bytes()) and not data.endswith(b"\n"):
            with self.path.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)
                os.fsync(file.fileno())

    def _parse(self, number: int, line: bytes) -> R:
        place = f"{self.path.parent.name}/{self.path.name} line {number}"
        try:
            record = self._kind.model_validate_json(line)
        except ValidationError as error:
            raise RegistryError(
                f"{place} cannot be read: restore the file from a backup, or remove the line if you know "
                f"that nothing was recorded by it ({said_of(error.errors()[0])})"
            ) from error
        if record.n != number or record.name != self.path.parent.name:
            raise RegistryError(
                f"{place} says it is line {record.n} of {record.name}: a line was lost or moved"
            )
        return record


def check_name(field: str, value: str) -> None:
    """Refuse what is not a name for a model or an alias.

    Raises:
        RegistryError: naming the field, the value and what is allowed.
    """
    if not _NAME.fullmatch(value) or ".." in value:
        raise RegistryError(
            f"{field} {value!r}: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter "
            "or digit, without '..'"
        )


def check_alias(value: str) -> None:
    """Refuse a bad alias, as `check_name` does; and it must not look like a version."""
    check_name("alias", value)
    if value.isdigit():
        raise RegistryError(f"alias {value!r}: digits alone are a version; add a letter, such as v{value}")


def parted(model: str) -> tuple[str, str]:
    """Returns the two sides of ``name@alias`` or ``name@version``.

    Raises:
        RegistryError: it is neither.
    """
    name, separator, rest = model.partition("@")
    if not separator:
        raise RegistryError(f"{model!r} is not name@alias or name@version")
    check_name("name", name)
    return name, rest


def version_of(model: str) -> int | None:
    """Returns the version in ``name@version``; None where an alias is named."""
    _, rest = parted(model)
    return int(rest) if rest.isascii() and rest.isdigit() and len(rest) < 19 else None


def registry_name(text: str) -> str:
    """Returns a free name as the registry writes it: lower case, every other character a dash.

    Raises:
        RegistryError: nothing usable is left, or it is too long.
    """
    name = re.sub(r"[^a-z0-9._-]+|\.{2,}", "-", text.lower()).strip("._-")
    check_name(f"{text!r} makes the registered name", name)
    return name
