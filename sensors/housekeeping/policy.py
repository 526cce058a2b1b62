"""Reads how long runs are kept: ``housekeeping.toml`` beside the ``dagster.yaml`` of an instance.

::

    keep_days = 90      # a run stays for so many days after its end
    keep_newest = 20    # and so do the newest runs of each job, however old; a sweep counts as one of them
    tick_days = 7       # what Blut's sensors have said is kept for so many days

Nothing is removed that is not declared: without the file, or with an empty one, everything stays. It lies in
the instance directory because it is about what lies there, whoever runs the command or the daemon.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blut_resources.files.documents import DocumentError, read_toml
from blut_resources.files.toml_places import place
from blut_resources.text import meant, said_of

FILE = "housekeeping.toml"
DAY_S = 86400.0
DAYS_AT_MOST = 36500


class HousekeepingError(ValueError):
    """Says that the policy cannot be used, so nothing is removed;
    a line per problem: file, field, value, remedy.
    """


class Housekeeping(BaseModel):
    """Holds the policy. A run goes if it is beyond every bound that is given; without one, none goes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    keep_days: int | None = Field(
        None, ge=1, le=DAYS_AT_MOST, description="days after its end that a run is kept"
    )
    keep_newest: int | None = Field(None, ge=1, description="newest runs of each job that are kept")
    tick_days: int | None = Field(
        None, ge=1, le=DAYS_AT_MOST, description="days that the ticks of Blut's sensors are kept"
    )

    @property
    def bounds_runs(self) -> bool:
        """Says whether any run may go."""
        return self.keep_days is not None or self.keep_newest is not None

    @property
    def declares(self) -> bool:
        """Says whether anything may go."""
        return self.bounds_runs or self.tick_days is not None


KEEP_ALL = Housekeeping.model_validate({})


def policy_path(home: Path) -> Path:
    """Returns where the policy of an instance is declared."""
    return home / FILE


def read_policy(home: Path) -> Housekeeping:
    """Returns the policy of an instance; one that keeps everything if there is no file.

    Raises:
        HousekeepingError: if anything in the file is wrong; then none of it holds.
    """
    path = policy_path(home)
    try:
        data = path.read_bytes()
        document = read_toml(data, str(path))
    except FileNotFoundError:
        return KEEP_ALL
    except DocumentError as error:
        raise HousekeepingError(f"{error}; correct that line") from error
    except OSError as error:
        raise HousekeepingError(f"{path}: cannot be read: {error}; make it a readable text file") from error
    text = data.decode("utf-8-sig")
    return checked(document, lambda name: f"{place(path, text, [name])}: ")


def checked(values: dict[str, Any], where: Callable[[str], str] = lambda _: "") -> Housekeeping:
    """Returns the policy that these values declare.

    Args:
        where: of a field, with which each line of an error begins.

    Raises:
        HousekeepingError: if a value will not do, or there is no such field.
    """
    try:
        return Housekeeping.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        lines = [where(str(problem["loc"][0])) + _explain(problem) for problem in problems]
        raise HousekeepingError("\n".join(lines)) from None


def _explain(problem: Any) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        near, known = meant(name, Housekeeping.model_fields), ", ".join(Housekeeping.model_fields)
        return f"{name} = {problem['input']!r}: there is no such field{near}; there are {known}"
    meaning = Housekeeping.model_fields[name].description
    return f"{name} = {problem['input']!r}: {said_of(problem)}; give a whole number of {meaning}"
