"""Reads floors: what a verdict must have measured, and what must have come out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from blut_resources.files.documents import read_yaml
from blut_resources.registry.verdicts import EACH, Floor
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA = "toybook.floors.v1"
FLOORS_FILE = "floors.yaml"
SHIPPED = Path(__file__).parent / "configs" / FLOORS_FILE
TEST = "test"
Share = Annotated[float, Field(strict=True, gt=0, le=1)]


class FloorsFile(BaseModel):
    """Describes a file of floors; what it leaves out, and what it should not hold, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["toybook.floors.v1"] = Field(alias="schema")
    min_accuracy: Share
    min_recall: Share
    min_rows: int = Field(strict=True, ge=1)

    def required(self, scopes: Iterable[str]) -> list[Floor]:
        """Returns everything that a verdict must have judged.

        Args:
            scopes: of the classes, as `class_scope` names them; `EACH` stands for all of them.
        """
        return [
            Floor(kind="whole", name="accuracy", scope=TEST, op=">=", floor=self.min_accuracy),
            Floor(kind="whole", name="rows", scope=TEST, op=">=", floor=float(self.min_rows)),
            *(
                Floor(kind="class", name="recall", scope=scope, op=">=", floor=self.min_recall)
                for scope in scopes
            ),
        ]


def class_scope(label: str) -> str:
    """Returns the scope of a class in a verdict."""
    return f"class {label}"


def parse_floors(data: bytes, name: str) -> FloorsFile:
    """Returns the floors in the bytes of a YAML file.

    Args:
        name: of the file, for errors.

    Raises:
        ValueError: the file does not hold floors; the message names the field.
    """
    try:
        return FloorsFile.model_validate(read_yaml(data, name))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'file'} = {e['input']!r}: {e['msg']}"
            for e in error.errors()
        )
        raise ValueError(f"{name}: {problems}; {SHIPPED} is an example") from None


def pinned_floors(data: bytes, name: str, _model: str) -> list[Floor]:
    """Returns what a file that `blut model govern` pins asks of any classifier."""
    return parse_floors(data, name).required([EACH])
