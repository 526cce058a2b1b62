"""Reads ``*_events.tsv`` of BIDS and of the seizure datasets that follow SzCORE.

https://bids-specification.readthedocs.io/en/stable/modality-agnostic-files/events.html
"""

import re

from cookbooks.lamquant.annotations.marks import SHIFTED, About, BadSource, Marked, Reading, refuse_outside
from cookbooks.lamquant.annotations.text import Line, lines_of, seconds

ABSENT = ("", "n/a")
LABELS = ("eventType", "trial_type", "HED")
"""Columns that say what an event is; of those that a file has, the first counts."""
LENGTH = "recordingDuration"


def read_bids(source: str, data: bytes, about: About) -> Reading | None:
    """Returns the events of a recording; None where no column says what they are.

    Raises:
        BadSource: it is damaged, or of a recording of another length.
    """
    lines = lines_of(data)
    if not lines:
        raise BadSource("it is empty")
    columns = [cell.strip(' "') for cell in lines[0].text.split("\t")]
    if "onset" not in columns or "duration" not in columns:
        raise BadSource("its header does not name the columns onset and duration, with tabs between")
    if len(set(columns)) < len(columns):
        raise BadSource("its header names a column twice")
    if not any(name in columns for name in LABELS):
        return None
    marks = [mark for line in lines[1:] for mark in _row(line, columns, about)]
    return Reading(source, marks)


def _row(line: Line, columns: list[str], about: About) -> list[Marked]:
    cells = [cell.strip() for cell in line.text.split("\t")]
    if len(cells) != len(columns):
        raise BadSource(f"line {line.number} has {len(cells)} columns of {len(columns)}")
    row = dict(zip(columns, cells, strict=True))
    stated = row.get(LENGTH, "")
    if stated not in ABSENT and not about.lasts(seconds(stated, LENGTH, line.number)):
        raise BadSource(f"line {line.number}: {LENGTH} is not the recording's of {about.span_s:g} s", SHIFTED)
    onset = seconds(row["onset"], "the onset", line.number)
    given = row["duration"]
    duration = None if given in ABSENT else seconds(given, "the duration", line.number)
    if duration is not None and duration < 0:
        raise BadSource(f"line {line.number}: the duration is negative")
    name = next(name for name in LABELS if name in columns)
    texts = _tags(row[name]) if name == "HED" else [row[name]]
    mark = Marked(onset, duration or None, "")
    # an event before the first sample is in order in BIDS, and is dropped with those outside
    if onset >= 0:
        refuse_outside(mark, about, line.number)
    return [mark._replace(text=text) for text in texts if text not in ABSENT]


def _tags(text: str) -> list[str]:
    """Returns the last word of each tag of a HED string."""
    return [tag.strip().rpartition("/")[2] for tag in re.split(r"[,()]", text) if tag.strip()]
