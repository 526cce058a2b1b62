"""Writes annotations into the annotation signals of a file (Kemp and Olivan 2003, section 2.2.2)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

TIME_KEEPING_END = b"\x14\x14\0"


class TalMark(NamedTuple):
    """Holds an annotation as it is written: seconds from the start of the file, a duration, its text."""

    onset_s: float
    duration_s: float | None
    text: str


class LaidOut(NamedTuple):
    """Holds the bytes of each annotation signal by data record, and how many bytes each signal needs."""

    records: list[dict[int, bytes]]
    sizes: list[int]

    def part(self, signal: int, record: int) -> bytes:
        """Returns what a record of a signal holds; it is filled up with zeros."""
        return self.records[signal].get(record, b"")


def lay_out_marks(marks: Sequence[TalMark], onsets: Sequence[str], sizes: Sequence[int]) -> LaidOut:
    """Put each mark in the data record in which it begins, or in the next one with room for it.

    Where there is not room enough at the end, the first signal grows.

    Args:
        marks: the annotations.
        onsets: when each data record begins, as it is written, such as ``+12.5``; empty of one without time.
        sizes: bytes of each annotation signal in a record; the first one tells the records' times.
    """
    texts = [_list(mark) for mark in sorted(marks, key=lambda one: one.onset_s)]
    keeping = [onset.encode() + TIME_KEEPING_END if onset else b"" for onset in onsets]
    begins = _begins(onsets)
    first = max([sizes[0], *(len(one) for one in keeping)])
    grown = [first, *sizes[1:]]
    while (found := _placed(texts, sorted(one.onset_s for one in marks), begins, keeping, grown)) is None:
        needed = max(len(text) for text in texts) + max(len(one) for one in keeping)
        grown[0] = max(needed, 2 * grown[0])
    return LaidOut(found, grown)


def _begins(onsets: Sequence[str]) -> list[float]:
    """Returns when each record begins; of one that does not say so, when the one before it does."""
    begins: list[float] = []
    for onset in onsets:
        begins.append(float(onset) if onset else begins[-1] if begins else 0.0)
    return begins


def _placed(
    texts: Sequence[bytes],
    starts: Sequence[float],
    begins: Sequence[float],
    keeping: Sequence[bytes],
    sizes: Sequence[int],
) -> list[dict[int, bytes]] | None:
    """Returns the bytes of each signal by record; None where they do not fit."""
    found: list[dict[int, bytes]] = [dict(enumerate(keeping)), *(defaultdict(bytes) for _ in sizes[1:])]
    record = 0
    for text, start in zip(texts, starts, strict=True):
        while record + 1 < len(begins) and begins[record + 1] <= start:
            record += 1
        at = next(
            (
                (signal, later)
                for later in range(record, len(begins))
                for signal, size in enumerate(sizes)
                if len(found[signal].get(later, b"")) + len(text) <= size
            ),
            None,
        )
        if at is None:
            return None
        found[at[0]][at[1]] = found[at[0]].get(at[1], b"") + text
        record = at[1]
    return found


def _list(mark: TalMark) -> bytes:
    duration = f"\x15{_seconds(mark.duration_s)}" if mark.duration_s is not None else ""
    sign = "" if mark.onset_s < 0 else "+"
    text = mark.text.replace("\x14", " ").replace("\0", " ").replace("\x15", " ")
    return f"{sign}{_seconds(mark.onset_s)}{duration}\x14{text}\x14\0".encode()


def _seconds(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
