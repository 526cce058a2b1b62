"""Finds the cookbook that reads a file of floors, and what the file asks of a candidate of a model."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from blut_resources.registry.verdicts import Floor

MAX_BYTES = 2**20
SCHEMA = re.compile(rb"^schema:\s*[\"']?([\w.-]+)", re.MULTILINE)


class FloorsInvalid(ValueError):
    """Says that a file of floors cannot be used; the message names the file, the problem and the remedy."""


@dataclass(frozen=True)
class FloorsFormat:
    """Describes a kind of floors file that a cookbook reads.

    Attributes:
        schema: what the file says after ``schema:``.
        parse: bytes, the file's name and the model's -> what must hold, with the scope `verdicts.EACH` for
            what every part must meet; raises ValueError, naming the field.
        example: a file to begin with.
        isolated: whether candidates of such models are judged by processes that cannot see the originals; a
            governed alias then refuses a verdict that does not say so.
    """

    schema: str
    parse: Callable[[bytes, str, str], list[Floor]]
    example: Path
    isolated: bool = False


def read_floors(path: Path) -> bytes:
    """Returns the bytes of a floors file.

    Raises:
        FloorsInvalid: it cannot be read, or is larger than any floors.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FloorsInvalid(f"--floors {path}: {error.strerror}: name a YAML file of floors") from error
    if len(data) > MAX_BYTES:
        raise FloorsInvalid(f"--floors {path}: more than {MAX_BYTES} bytes")
    return data


def parse_floors(
    data: bytes, name: str, model: str, known: Iterable[FloorsFormat]
) -> tuple[list[Floor], FloorsFormat]:
    """Returns what a floors file asks of a candidate of this model, and the format by which it says so.

    Args:
        name: of the file, for errors.
        model: the registered name that the floors are to be pinned for.
        known: the formats of all cookbooks.

    Raises:
        FloorsInvalid: no cookbook knows the schema, or the file is not what it says.
    """
    formats = {one.schema: one for one in known}
    found = SCHEMA.search(data)
    chosen = formats.get(found[1].decode()) if found else None
    if chosen is None:
        words = "; ".join(f"{schema} (such as {one.example})" for schema, one in formats.items())
        raise FloorsInvalid(f"{name}: says none of the schemas that are known: {words}")
    try:
        return chosen.parse(data, name, model), chosen
    except ValueError as error:
        raise FloorsInvalid(str(error)) from error
