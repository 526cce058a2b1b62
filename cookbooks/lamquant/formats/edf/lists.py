"""Reads the annotation signals of an open file, record by record."""

import os
from collections.abc import Iterator, Sequence

from cookbooks.lamquant.formats.edf.layout import Layout, Slot
from cookbooks.lamquant.formats.edf.tal import Tal, parse_tals, record_onset
from cookbooks.lamquant.formats.edf.timekeeping import Onset

SHORT_RECORD, TOGETHER = 4096, 256
"""Data records of at most so many bytes are read so many at a time."""


class Lists:
    """Reads the signals that hold time-stamped lists: annotations, and when each data record begins."""

    def __init__(self, descriptor: int, layout: Layout, slots: Sequence[Slot]) -> None:
        self._descriptor, self._layout, self._slots = descriptor, layout, slots

    def onsets(self) -> list[Onset | None]:
        """Returns when each data record begins; empty if no signal says so.

        By EDF+ the first annotation signal does. Another one is believed where the first says nothing for
        most of the records: empty texts of other signals can stand at any time. Times that never move are
        what some writers fill in, and say nothing.
        """
        best: list[Onset | None] = []
        for slot in sorted(self._slots, key=lambda slot: not slot.is_annotation):
            times = map(record_onset, self._records(slot))
            found = [Onset(*time) if time else None for time in times]
            stands_still = _known(found) > 1 and len({onset.seconds for onset in found if onset}) == 1
            if _known(found) > _known(best) and not stands_still:
                best = found
            if 2 * _known(best) >= self._layout.n_records:
                break
        return best

    def annotations(self, strict: bool) -> Iterator[Tal]:
        """Yields the annotations in the order of the records.

        Raises:
            BadTal: with ``strict``, one of them is damaged.
        """
        for records in zip(*map(self._records, self._slots), strict=True):
            for slot, record in zip(self._slots, records, strict=True):
                lists = parse_tals(record, strict=strict and slot.is_annotation)
                yield from (tal for tal in lists if tal.texts)

    def _records(self, slot: Slot) -> Iterator[bytes]:
        return parts_of(self._descriptor, self._layout, slot)


def parts_of(descriptor: int, layout: Layout, slot: Slot) -> Iterator[bytes]:
    """Yields one signal's part of each data record."""
    size = layout.record_bytes
    together = TOGETHER if size <= SHORT_RECORD else 1
    for first in range(0, layout.n_records, together):
        count = min(together, layout.n_records - first)
        start = layout.data_start + first * size + slot.offset
        data = os.pread(descriptor, (count - 1) * size + slot.n_bytes, start)
        for at in range(0, count * size, size):
            yield data[at : at + slot.n_bytes]


def _known(onsets: Sequence[Onset | None]) -> int:
    return sum(onset is not None for onset in onsets)
