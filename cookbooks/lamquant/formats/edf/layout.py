"""Decides where in a file every sample lies: the only place that does.

The samples of a data record stand signal by signal, in the order of the header, each signal with its own
number. So a signal's offset in a record is the sum of the sizes of all signals before it, annotations and
signals of other rates among them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cookbooks.lamquant.formats.edf.content import is_text
from cookbooks.lamquant.formats.edf.header import (
    Fields,
    SignalFields,
    integer_of,
    number_of,
    text_of,
)
from cookbooks.lamquant.formats.edf.problems import COPY_AGAIN, EXPORT, BadRecording, Repairs
from cookbooks.lamquant.formats.edf.tal import TIME_KEEPING

COUNT = "number of data records"
LONGEST_S = 86_400
"""A data record of more than a day gives no sampling rate that EEG can have."""


@dataclass(frozen=True)
class Slot:
    """Holds a signal's place in each data record: ``offset`` in bytes, ``samples`` of it."""

    index: int
    label: str = field(repr=False)
    offset: int
    samples: int
    n_bytes: int
    raw: dict[str, bytes] = field(repr=False)
    holds_text: bool = False

    @property
    def is_annotation(self) -> bool:
        """Says whether its label is that of annotations, in any case and with anything beside it."""
        return "annot" in self.label.casefold()


@dataclass(frozen=True)
class Layout:
    """Holds where the data records of a file lie. ``duration_s`` is None where there is none to use."""

    sample_bytes: int
    data_start: int
    record_bytes: int
    n_records: int
    duration_s: float | None
    trailing_bytes: int
    slots: tuple[Slot, ...]


def lay_out(path: Path, fields: Fields, descriptor: int, repairs: Repairs) -> Layout:
    """Returns the layout of an open file.

    Raises:
        BadRecording: a count is impossible or missing, no data record is whole, or a repair is refused.
    """
    slots = _slots(path, fields.signals, fields.sample_bytes, repairs)
    record_bytes = sum(slot.n_bytes for slot in slots)
    if record_bytes == 0:
        raise BadRecording(path, "samples per data record", "0 in every signal: no samples", EXPORT)
    size = os.fstat(descriptor).st_size
    start = _data_start(path, fields, size, record_bytes, repairs)
    n_records = _n_records(path, fields, descriptor, (start, size, record_bytes), slots, repairs)
    duration, plain = number_of(fields.raw["duration of a data record"])
    if duration is not None and not plain:
        text = text_of(fields.raw["duration of a data record"])
        repairs.note("duration of a data record", text, f"{duration:g}")
    usable = duration if duration is not None and 0 < duration <= LONGEST_S else None
    trailing = size - start - n_records * record_bytes
    return Layout(fields.sample_bytes, start, record_bytes, n_records, usable, trailing, slots)


def promised_bytes(fields: Fields) -> int | None:
    """Returns the size of the file that a header promises; None where it does not say."""
    counts = [integer_of(signal.raw["samples per data record"])[0] for signal in fields.signals]
    records = integer_of(fields.raw[COUNT])[0]
    if records is None or records < 1:
        return None
    samples = sum(count for count in counts if count is not None and count > 0)
    return 256 * (len(counts) + 1) + records * samples * fields.sample_bytes


def _slots(
    path: Path, signals: Sequence[SignalFields], sample_bytes: int, repairs: Repairs
) -> tuple[Slot, ...]:
    slots, offset = [], 0
    for signal in signals:
        name = f"samples per data record of signal {signal.index}"
        raw = signal.raw["samples per data record"]
        samples, plain = integer_of(raw)
        if samples is None:
            raise BadRecording(path, name, "not a whole number, so no sample can be placed", EXPORT)
        if samples < 0:
            raise BadRecording(path, name, "negative, so no sample can be placed", EXPORT)
        if not plain:
            used = repairs.number(str(samples)) or "the whole number"
            repairs.note("samples per data record", text_of(raw), used, f"signal {signal.index}")
        n_bytes = samples * sample_bytes
        slots.append(Slot(signal.index, text_of(signal.raw["label"]), offset, samples, n_bytes, signal.raw))
        offset += n_bytes
    return tuple(slots)


def _data_start(path: Path, fields: Fields, size: int, record_bytes: int, repairs: Repairs) -> int:
    """Returns where the first data record begins.

    A header has 256 bytes and 256 for each signal. Where the field says something else, the number of whole
    records that fit tells who is right; where both fit, nobody can know.
    """
    name = "number of bytes in header"
    needed = 256 * (len(fields.signals) + 1)
    stated, plain = integer_of(fields.raw[name])
    if stated == needed and plain:
        return needed
    start = needed
    if stated is not None and needed < stated < size:
        records, _ = integer_of(fields.raw[COUNT])
        here, there = (_fits(size - at, record_bytes, records) for at in (needed, stated))
        if here == there:
            shown = repairs.number(str(stated)) or "a number"
            problem = (
                f"{shown} stands there, {len(fields.signals)} signals need {needed}, and both fit the file"
            )
            raise BadRecording(path, name, problem, EXPORT)
        start = needed if here > there else stated
    repairs.note(name, text_of(fields.raw[name]), str(start))
    return start


def _fits(data_bytes: int, record_bytes: int, records: int | None) -> int:
    if data_bytes == record_bytes * (records or 0):
        return 2
    return int(data_bytes % record_bytes == 0)


def _n_records(
    path: Path,
    fields: Fields,
    descriptor: int,
    place: tuple[int, int, int],
    slots: Sequence[Slot],
    repairs: Repairs,
) -> int:
    start, size, record_bytes = place
    stated, plain = integer_of(fields.raw[COUNT])
    whole = max(0, size - start) // record_bytes
    if whole == 0:
        held = max(0, size - start) / record_bytes
        if stated == 0 and size <= start:
            raise BadRecording(path, COUNT, "0: the file holds no samples", "take it out of the directory")
        raise BadRecording(path, "data records", f"truncated: the file holds {held:.2f} of one", COPY_AGAIN)
    records = _Records(descriptor, start, record_bytes, slots, repairs.words, fields.sample_bytes)
    if stated is None or stated < 1:
        used = records.without_text_at_the_end(whole)
    elif whole > stated:
        used = records.surplus_of(stated, whole)
    else:
        used = whole
    if used == 0:
        raise BadRecording(path, "data records", "all of them are text, not samples", EXPORT)
    if used != stated or not plain:
        repairs.note(COUNT, text_of(fields.raw[COUNT]), f"{used}, which the file holds")
    return used


class _Records:
    """Tells data records from what somebody wrote behind them."""

    def __init__(
        self,
        descriptor: int,
        start: int,
        record_bytes: int,
        slots: Sequence[Slot],
        words: frozenset[str],
        sample_bytes: int,
    ) -> None:
        self._descriptor, self._start, self._record_bytes = descriptor, start, record_bytes
        self._width = sample_bytes
        self._lists = [slot for slot in slots if slot.is_annotation]
        self._words = [word.encode() for word in words if len(word) >= 5]

    def without_text_at_the_end(self, whole: int) -> int:
        while whole and is_text(self._read(whole - 1), self._width):
            whole -= 1
        return whole

    def surplus_of(self, stated: int, whole: int) -> int:
        """Returns how many records there are where more were found than the header promises."""
        used = stated
        while used < whole and self._is_data(self._read(used)):
            used += 1
        return used

    def _read(self, index: int) -> bytes:
        return os.pread(self._descriptor, self._record_bytes, self._start + index * self._record_bytes)

    def _is_data(self, record: bytes) -> bool:
        if not record.strip(b"\0") or is_text(record, self._width):
            return False
        if self._lists and not any(TIME_KEEPING.match(record, slot.offset) for slot in self._lists):
            return False
        lower = record.lower()
        return not any(word in lower for word in self._words)
