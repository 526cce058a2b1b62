"""Says what is wrong with a recording, what was mended, and what of a file may be said at all.

Header fields are free text, and people write names, birth dates and telephone numbers into any of them. So
nothing of a file is quoted unless it cannot be such a thing: a short number, or a name that is known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from blut_resources.text import one_line

COPY_AGAIN = "copy or download the file again"
EXPORT = "export it again from the recording software, or take it out of the directory"
RECORD = "set `repair: record` to have it mended as other readers do"
LIMITS = frozenset({"32767", "32768", "8388607", "8388608"})
MOST_DIGITS = 5
"""A count of records of a day has five digits; a birth date has six, a telephone number more."""
NUMBER = re.compile(r"[+-]?[0-9]{1,12}([.,][0-9]{0,8})?")


class BadRecording(Exception):
    """Says that a file cannot be used, and what to do about it.

    Attributes:
        file: the file as the caller named it.
        field: the header field, or the part of the file, at fault.
        problem: why it is wrong; no text of the file that could name a person.
        remedy: what the owner of the file can do.
    """

    def __init__(self, file: Path | str, field: str, problem: str, remedy: str) -> None:
        self.file, self.field, self.problem, self.remedy = str(file), field, problem, remedy
        super().__init__(file, field, problem, remedy)

    def __str__(self) -> str:
        return one_line(f"{self.file}: {self.field}: {self.problem}; {self.remedy}")


@dataclass(frozen=True)
class Repair:
    """Holds what was mended: the field, what stood there where it may be said, and what is used instead.

    ``channel`` is whose field it is; empty where it is the file's.
    """

    field: str
    found: str | None
    used: str
    channel: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Names a signal of the file that is not in the recording, and says why."""

    label: str
    reason: str


@dataclass
class Repairs:
    """Collects what is mended in one file, or refuses the file where nothing may be.

    Attributes:
        words: words and numbers of the identity fields, which are never quoted.
    """

    file: Path
    mode: Literal["record", "refuse"]
    words: frozenset[str] = field(repr=False)
    made: list[Repair] = field(default_factory=list)

    def note(self, what: str, found: str | None, used: str, channel: str = "") -> None:
        """Record one repair.

        Raises:
            BadRecording: repairs are to be refused.
        """
        shown = self.number(found) if found is not None else None
        if self.mode == "refuse":
            stands = f"{shown} stands there" if shown else "it is not as the format says"
            where = f"{what} of {channel}" if channel else what
            raise BadRecording(self.file, where, f"{stands}, other readers use {used}", RECORD)
        self.made.append(Repair(what, shown, used, channel))

    def number(self, text: str) -> str | None:
        """Returns a number that can be nobody's, as it stands; None for anything else."""
        text = text.strip()
        digits = re.sub(r"[^0-9]", "", text)
        if not NUMBER.fullmatch(text) or digits in self.words:
            return None
        whole = re.split("[.,]", text.lstrip("+-"))[0]
        return text if len(digits) <= MOST_DIGITS or whole in LIMITS else None


def identity_words(identity: Mapping[str, str]) -> frozenset[str]:
    """Returns words and numbers (of three characters at least) of the fields that can name a person."""
    text = " ".join(identity.values()).casefold()
    found = re.findall(r"[^\W\d_]{3,}|\d{3,}", text)
    dates = (re.sub(r"\D", "", word) for word in text.split())
    return frozenset(found) | frozenset(date for date in dates if len(date) >= 3)
