"""Reads the seizure lists of CHB-MIT: ``chbNN-summary.txt``, and ``x.edf.seizures`` in WFDB's format.

WFDB annotations are words of 16 bits, low byte first: a code in the upper 6, the samples since the annotation
before in the lower 10 (annot(5) of the WFDB Applications Guide).
"""

import re
import struct
from collections.abc import Iterator

from cookbooks.lamquant.annotations.marks import About, BadSource, Marked, Reading, refuse_outside
from cookbooks.lamquant.annotations.text import NUMBER, Line, lines_of, seconds

FILE = re.compile(r"\s*File Name:\s*(.*?)\s*", re.IGNORECASE)
COUNT = re.compile(r"\s*Number of Seizures in File:\s*(\d{1,6})\s*", re.IGNORECASE | re.ASCII)
EDGE = re.compile(
    rf"\s*Seizure\s*(?:(\d{{1,6}})\s+)?(Start|End) Time:\s*({NUMBER.pattern})\s*sec(?:ond)?s?\s*",
    re.IGNORECASE | re.ASCII,
)
SEIZURE = "seizure"
START, END = 32, 33  # codes "[" and "]"
SKIP, NUM, CHN, AUX = 59, 60, 62, 63
RESOLUTION = re.compile(rb"## time resolution: (\d{1,6}(?:\.\d{1,9})?)\0?")


def read_summary(source: str, data: bytes, about: About) -> Reading | None:
    """Returns the seizures of one recording; None where the summary does not list it.

    Raises:
        BadSource: what it says of this recording does not fit together.
    """
    blocks = _blocks(lines_of(data), about.name)
    if not blocks:
        return None
    if len(blocks) > 1:
        raise BadSource(f"line {blocks[1][0].number} lists the recording once more")
    block = blocks[0]
    counts = [int(match[1]) for line in block if (match := COUNT.fullmatch(line.text))]
    if len(counts) != 1:
        raise BadSource(f"line {block[0].number}: there is not one number of seizures for the recording")
    marks = list(_pairs([line for line in block if line.text.lstrip().casefold().startswith(SEIZURE)], about))
    if len(marks) != counts[0]:
        raise BadSource(
            f"line {block[0].number}: {len(marks)} seizures are listed, and another number is stated"
        )
    return Reading(source, marks, lists_seizures=True)


def _blocks(lines: list[Line], name: str) -> list[list[Line]]:
    """Returns the lines of each part that begins with the recording's file name."""
    found: list[list[Line]] = []
    mine = False
    for line in lines:
        if match := FILE.fullmatch(line.text):
            mine = match[1].casefold() == name.casefold()
            found += [[]] if mine else []
        if mine:
            found[-1].append(line)
    return found


def _pairs(lines: list[Line], about: About) -> Iterator[Marked]:
    start: tuple[float, str | None] | None = None
    for line in lines:
        match = EDGE.fullmatch(line.text)
        if match is None:
            raise BadSource(f"line {line.number} is neither the start nor the end of a seizure in seconds")
        time = seconds(match[3], "the time", line.number)
        if (match[2].casefold() == "start") != (start is None):
            raise BadSource(f"line {line.number}: starts and ends of seizures do not take turns")
        if start is None:
            start = (time, match[1])
            continue
        if time <= start[0] or match[1] != start[1]:
            raise BadSource(f"line {line.number}: the end does not belong to the start above")
        mark = Marked(start[0], time - start[0], SEIZURE)
        refuse_outside(mark, about, line.number)
        yield mark
        start = None
    if start is not None:
        raise BadSource(f"line {lines[-1].number}: the last seizure has no end")


def read_seizures(source: str, data: bytes, about: About) -> Reading:
    """Returns the seizures of a ``.seizures``.

    Raises:
        BadSource: it is damaged, or a start has no end.
    """
    marks: list[Marked] = []
    rate: float | None = None
    start: float | None = None
    for code, sample, aux in _annotations(data):
        if match := RESOLUTION.fullmatch(aux):
            rate = float(match[1]) or None
        if code not in (START, END):
            continue
        time = about.time_of(sample if rate is None else sample * about.pieces[0].rate_hz / rate)
        if (code == START) != (start is None):
            raise BadSource("starts and ends of seizures do not take turns")
        if start is None:
            start = time
        elif time <= start:
            raise BadSource("a seizure does not end after its start")
        else:
            marks.append(Marked(start, time - start, SEIZURE))
            start = None
    if start is not None:
        raise BadSource("the last seizure has no end")
    return Reading(source, marks, lists_seizures=True)


def _annotations(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields code, sample and auxiliary bytes of each annotation.

    Raises:
        BadSource: it ends before its end mark, goes back in time, or goes on after the end.
    """
    place, sample = 0, 0
    pending: tuple[int, int, bytes] | None = None
    while True:
        (word,) = struct.unpack("<H", _take(data, place, 2))
        place, code, low = place + 2, word >> 10, word & 1023
        if code == AUX:
            aux = _take(data, place, low)
            place += low + low % 2
            pending = pending and (pending[0], pending[1], aux)
        elif code == SKIP:
            high, lower = struct.unpack("<HH", _take(data, place, 4))
            place += 4
            (skipped,) = struct.unpack("<i", struct.pack("<I", high << 16 | lower))
            sample += skipped
        elif not NUM <= code <= CHN:
            if pending:
                yield pending
            if word == 0:
                break
            sample += low
            if sample < (pending[1] if pending else 0):
                raise BadSource("its annotations go back in time")
            pending = (code, sample, b"")
    if data[place:].strip(b"\0"):
        raise BadSource("something follows its end")


def _take(data: bytes, place: int, length: int) -> bytes:
    found = data[place : place + length]
    if len(found) < length:
        raise BadSource("it is cut off")
    return found
