"""Reads the annotations that an EDF+ or BDF+ file holds itself."""

from collections.abc import Iterable, Iterator

from cookbooks.lamquant.annotations.marks import EDF_PLUS, MOST_MARKS, BadSource, Marked, Reading
from cookbooks.lamquant.formats.edf.tal import BadTal, Tal


def read_tals(tals: Iterable[Tal], begin_s: float) -> Reading | None:
    """Returns the annotations of a file; None where it has none.

    Args:
        begin_s: the time of the first sample.

    Raises:
        BadSource: there are more than anybody has marked, or one is damaged.
    """
    marks: list[Marked] = []
    for tal in _undamaged(tals):
        marks += [
            Marked(tal.onset_s - begin_s, tal.duration_s or None, text) for text in tal.texts if text.strip()
        ]
        if len(marks) > MOST_MARKS:
            raise BadSource(
                f"it has more than {MOST_MARKS} annotations", "see whether they are annotations at all"
            )
    return Reading(EDF_PLUS, marks) if marks else None


def _undamaged(tals: Iterable[Tal]) -> Iterator[Tal]:
    try:
        yield from tals
    except BadTal as bad:
        raise BadSource(str(bad), "write them again with the program that made them") from bad
