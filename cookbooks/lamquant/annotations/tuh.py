"""Reads the lists of the Temple University corpora: csv_bi, csv, tse_bi, tse and rec.

Formats as their documentation gives them; ``.csv_bi`` and ``.tse_bi`` tell seizure from background only,
``.csv`` names the type and the channel, ``.tse`` the type. ``.rec`` is of the event corpus.
"""

import re
from collections.abc import Iterable

from cookbooks.lamquant.annotations.marks import (
    SHIFTED,
    SLACK_S,
    About,
    BadSource,
    Marked,
    Reading,
    refuse_outside,
)
from cookbooks.lamquant.annotations.text import NUMBER, Line, lines_of, seconds

HEADER = ["channel", "start_time", "stop_time", "label", "confidence"]
COMMENT = re.compile(r"#\s*(version|bname|duration|montage_file)\s*=", re.IGNORECASE)
DURATION = re.compile(rf"#\s*duration\s*=\s*({NUMBER.pattern})\s*(s|secs?|seconds?)\.?\s*", re.IGNORECASE)
TSE_VERSION = re.compile(r"version\s*=\s*tse_v\d+(\.\d+)*\s*", re.IGNORECASE)
JOINT_S = 0.01
"""Seconds by which a row of a ``.tse`` may begin before or after the end of the row above."""
CODES = {"1": "spsw", "2": "gped", "3": "pled", "4": "eyem", "5": "artf", "6": "bckg"}
"""Labels of the codes in a ``.rec``."""


def read_csv(source: str, data: bytes, about: About) -> Reading | None:
    """Returns the rows of a ``.csv_bi`` or ``.csv``; None for a ``.csv`` of something else.

    Raises:
        BadSource: it is damaged, or of a recording of another length.
    """
    lines = lines_of(data)
    if source == "csv" and not any(COMMENT.match(one.text) or _cells(one) == HEADER for one in lines):
        return None
    rows = [line for line in lines if not line.text.startswith("#")]
    if not rows or _cells(rows[0]) != HEADER:
        raise BadSource(f"its header is not {','.join(HEADER)}")
    _refuse_other_length(lines, about)
    marks = [_csv_row(row, about) for row in rows[1:]]
    return Reading(source, _some(marks), lists_seizures=source == "csv_bi")


def _cells(line: Line) -> list[str]:
    return [cell.strip(' \t"') for cell in line.text.split(",")]


def _refuse_other_length(lines: Iterable[Line], about: About) -> None:
    stated = [line for line in lines if line.text.startswith("#") and "duration" in line.text.lower()]
    found = [(line.number, DURATION.fullmatch(line.text)) for line in stated]
    if not found:
        raise BadSource("it does not say the duration of its recording")
    for number, match in found:
        if match is None:
            raise BadSource(f"line {number}: the duration is not a number of seconds")
        if not about.lasts(seconds(match[1], "the duration", number)):
            said = f"line {number}: its duration is not the recording's of {about.span_s:g} s"
            raise BadSource(said, SHIFTED)


def _csv_row(row: Line, about: About) -> Marked:
    cells = _cells(row)
    if len(cells) != len(HEADER):
        raise BadSource(f"line {row.number} has {len(cells)} columns of {len(HEADER)}")
    _, start, stop, label, confidence = cells
    seconds(confidence, "the confidence", row.number)
    return _mark(start, stop, label, row.number, about)


def _mark(start: str, stop: str, label: str, line: int, about: About) -> Marked:
    begin, end = seconds(start, "the start", line), seconds(stop, "the stop", line)
    if end <= begin:
        raise BadSource(f"line {line}: it does not stop after its start")
    if not label:
        raise BadSource(f"line {line}: the label is empty")
    mark = Marked(begin, end - begin, label)
    refuse_outside(mark, about, line)
    return mark


def _some(marks: list[Marked]) -> list[Marked]:
    if not marks:
        raise BadSource("it has no rows: it may have been cut off")
    return marks


def read_tse(source: str, data: bytes, about: About) -> Reading:
    """Returns the rows of a ``.tse_bi`` or ``.tse``, which follow each other from start to end.

    Raises:
        BadSource: it is damaged, or its rows do not cover the recording once.
    """
    lines = lines_of(data)
    if not lines or not TSE_VERSION.fullmatch(lines[0].text):
        raise BadSource("its first line is not a tse version")
    marks, reached = [], 0.0
    for row in (line for line in lines[1:] if not line.text.startswith("#")):
        cells = row.text.split()
        if len(cells) != 4:
            raise BadSource(f"line {row.number} has {len(cells)} columns of 4")
        seconds(cells[3], "the probability", row.number)
        mark = _mark(cells[0], cells[1], cells[2], row.number, about)
        if abs(mark.onset_s - reached) > JOINT_S:
            raise BadSource(f"line {row.number} does not begin where the row above ends")
        reached = mark.onset_s + (mark.duration_s or 0.0)
        marks.append(mark)
    if _some(marks) and abs(reached - about.span_s) > SLACK_S:
        raise BadSource(f"its rows do not end with the recording of {about.span_s:g} s", SHIFTED)
    return Reading(source, marks, lists_seizures=True)


def read_rec(source: str, data: bytes, about: About) -> Reading:
    """Returns the rows of a ``.rec``: channel, start, stop and code.

    Raises:
        BadSource: it is damaged, or has a code that is not known.
    """
    marks = []
    for row in lines_of(data):
        cells = _cells(row)
        if len(cells) != 4:
            raise BadSource(f"line {row.number} has {len(cells)} columns of 4")
        if cells[3] not in CODES:
            raise BadSource(f"line {row.number}: its code is none of {', '.join(CODES)}")
        marks.append(_mark(cells[1], cells[2], CODES[cells[3]], row.number, about))
    return Reading(source, _some(marks))
