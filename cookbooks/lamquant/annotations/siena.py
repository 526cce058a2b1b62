"""Reads ``Seizures-list-PNxx.txt`` of the Siena Scalp EEG Database: wall-clock times of one patient.

Each seizure has the name of its file, the times at which the registration and the seizure began, and when
the seizure ended. A further seizure of a file may leave out what stands above. The lists have typing errors:
``PNO6`` for ``PN06``, colons for full stops, a space inside a time. What can be read in one way only is
taken.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cookbooks.lamquant.annotations.marks import (
    SHIFTED,
    SLACK_S,
    About,
    BadSource,
    Marked,
    Reading,
    refuse_outside,
)
from cookbooks.lamquant.annotations.text import Line, lines_of

DAY_S = 86_400
FIELD = re.compile(
    r"\s*(file name|registration start time|registration end time|(?:seizure )?start time"
    r"|(?:seizure )?end time)\s*:(.*)",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"\s*seizure\s*(n|no|nr|number)?[.°:]?\s*\d{1,3}\b.*", re.IGNORECASE | re.ASCII)
CLOCK = re.compile(r"(\d{1,2})[.:](\d{2})[.:](\d{2})", re.ASCII)


@dataclass
class _File:
    """Collects what the list says of the recording."""

    about: About
    marks: list[Marked]
    begin: int | None = None
    start: float | None = None

    def take(self, what: str, value: str, line: int) -> None:
        if what == "registration end time":
            return
        clock = _clock(value, line)
        if what == "registration start time":
            if self.begin not in (None, clock):
                raise BadSource(f"line {line}: the registration starts at another time than above")
            self.begin = clock
            return
        if self.begin is None:
            raise BadSource(f"line {line}: when the registration started is not said")
        time = _since(clock, self.begin, self.about, line)
        if what.endswith("start time") == (self.start is not None):
            raise BadSource(f"line {line}: starts and ends of seizures do not take turns")
        if self.start is None:
            self.start = time
            return
        if time <= self.start:
            raise BadSource(f"line {line}: the seizure does not end after its start")
        mark = Marked(self.start, time - self.start, "seizure")
        refuse_outside(mark, self.about, line)
        self.marks.append(mark)
        self.start = None

    def finish(self, line: int) -> None:
        if self.start is not None:
            raise BadSource(f"line {line}: the seizure above has no end")


def read_siena(source: str, data: bytes, about: About, beside: Sequence[str] = ()) -> Reading | None:
    """Returns the seizures of one recording; None where the list does not name it.

    Args:
        beside: the names of the recordings in the directory.

    Raises:
        BadSource: what it says of this recording can be read in more than one way, or in none.
    """
    key, current, listed = _key(about.name), "", False
    found, lines = _File(about, []), lines_of(data)
    for line in lines:
        match = FIELD.fullmatch(line.text)
        if match is None:
            _refuse_garbled(line, current == key)
            continue
        what, value = match[1].casefold(), match[2].strip()
        if what == "file name":
            found.finish(line.number)
            current = _key(value)
            listed = listed or current == key
        elif not current:
            raise BadSource(f"line {line.number}: it is not said of which file this is")
        elif current == key:
            found.take(what, value, line.number)
    if not listed:
        return None
    found.finish(lines[-1].number)
    if sum(_key(name) == key for name in beside) > 1:
        raise BadSource("it does not tell two recordings of the directory apart", "rename one of them")
    if not found.marks:
        raise BadSource("it names the recording and no seizure")
    return Reading(source, found.marks, lists_seizures=True)


def _refuse_garbled(line: Line, is_mine: bool) -> None:
    words = line.text.strip().casefold()
    if (
        is_mine
        and words.startswith(("seizure", "registration", "start", "end"))
        and not NUMBERED.fullmatch(words)
    ):
        raise BadSource(f"line {line.number} cannot be read")


def _key(name: str) -> str:
    """Returns a file's name as typing errors leave it."""
    plain = re.sub(r"\s", "", name.casefold())
    return re.sub(r"\.(edf|bdf)(\.gz)?$", "", plain).replace("o", "0")


def _clock(text: str, line: int) -> int:
    match = CLOCK.fullmatch(re.sub(r"\s", "", text))
    hour, minute, second = (int(part) for part in match.groups()) if match else (99, 99, 99)
    if hour > 23 or minute > 59 or second > 59:
        raise BadSource(f"line {line} has no time of day, as HH.MM.SS")
    return hour * 3600 + minute * 60 + second


def _since(clock: int, begin: int, about: About, line: int) -> float:
    """Returns the seconds from the registration's start to a time of day, past midnight if need be."""
    offset = (clock - begin) % DAY_S
    if offset > about.span_s + SLACK_S:
        raise BadSource(f"line {line} lies outside the recording of {about.span_s:g} s", SHIFTED)
    if offset + DAY_S <= about.span_s + SLACK_S:
        raise BadSource(f"line {line} could be on more than one day of the recording")
    return float(offset)
