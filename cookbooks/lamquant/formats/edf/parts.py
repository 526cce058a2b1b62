"""Opens a file and takes header, layout and times apart, before anybody chooses among its signals."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from blut_resources.files.foreign import NotRegular, open_regular
from cookbooks.lamquant.formats.edf.compressed import MAGIC, inflated
from cookbooks.lamquant.formats.edf.content import are_blank, hold_text, holds_text_somewhere
from cookbooks.lamquant.formats.edf.header import Fields, read_fields, text_of
from cookbooks.lamquant.formats.edf.layout import Layout, Slot, lay_out
from cookbooks.lamquant.formats.edf.lists import Lists, parts_of
from cookbooks.lamquant.formats.edf.problems import (
    COPY_AGAIN,
    EXPORT,
    BadRecording,
    Repairs,
    identity_words,
)
from cookbooks.lamquant.formats.edf.timekeeping import Onset, even_step

LOOKED_AT, MOST_RECORDS = 4 << 20, 1000
"""Bytes, and data records, spread over the file, in which text is looked for."""


@dataclass(frozen=True)
class Parts:
    """Holds an open file and all that is known of it before a signal is chosen.

    Attributes:
        signals: those that are not annotations, each with whether it holds text.
        onsets: of each data record; empty where no record says when it begins.
        duration_s: length of a data record.
        says_gaps: whether the header calls the recording discontinuous.
        trailing_bytes: behind the last data record, and behind the last member of a gzip file.
    """

    file: BinaryIO = field(repr=False)
    fields: Fields = field(repr=False)
    layout: Layout
    signals: list[Slot]
    lists: Lists = field(repr=False)
    onsets: list[Onset | None] = field(repr=False)
    duration_s: float
    says_gaps: bool
    repairs: Repairs
    trailing_bytes: int


def open_parts(path: Path, repair: Literal["record", "refuse"], scratch: Path | None) -> Parts:
    """Open a recording, also one that is compressed with gzip; the caller closes ``file``.

    Raises:
        BadRecording: the file cannot be read, its header is wrong, or its gaps cannot be found.
    """
    file, left_over = _opened(path, scratch)
    with closed_on_error(path, file):
        return _parts(path, file, left_over, repair)


def _parts(path: Path, file: BinaryIO, left_over: int, repair: Literal["record", "refuse"]) -> Parts:
    fields = read_fields(path, file)
    repairs = Repairs(path, repair, identity_words(fields.identity))
    layout = lay_out(path, fields, file.fileno(), repairs)
    slots = _with_content(file.fileno(), layout)
    lists = Lists(file.fileno(), layout, [slot for slot in slots if slot.is_annotation or slot.holds_text])
    onsets = lists.onsets()
    signals = [slot for slot in slots if not slot.is_annotation]
    duration = _duration(path, fields, layout, onsets, bool(signals), repairs)
    says_gaps = text_of(fields.raw["reserved"])[:5].upper() in ("EDF+D", "BDF+D")
    _check_times(path, layout, onsets, says_gaps)
    trailing = layout.trailing_bytes + left_over
    return Parts(file, fields, layout, signals, lists, onsets, duration, says_gaps, repairs, trailing)


def _opened(path: Path, scratch: Path | None) -> tuple[BinaryIO, int]:
    try:
        file = open_regular(path)
    except NotRegular:
        problem, remedy = "is not a regular file", "put the recording itself there"
        if path.is_dir():
            problem, remedy = "is a directory", "rename the directory: .edf and .bdf are for files"
        raise BadRecording(path, "file", problem, remedy) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    with closed_on_error(path, file):
        if os.fstat(file.fileno()).st_size == 0:
            raise BadRecording(path, "file", "is empty (0 bytes)", COPY_AGAIN)
        if file.peek(3)[:3] != MAGIC:
            return file, 0
        with file:
            return inflated(path, file, scratch)


@contextlib.contextmanager
def closed_on_error(path: Path, file: BinaryIO) -> Iterator[None]:
    """Leave a file open if all goes well; else close it.

    Raises:
        BadRecording: it cannot be read.
    """
    try:
        yield
    except OSError as error:
        file.close()
        raise _unreadable(path, error) from error
    except BaseException:
        file.close()
        raise


def _unreadable(path: Path, error: OSError) -> BadRecording:
    remedy = "give this user permission to read it, or fetch the file if the name is a dangling link"
    return BadRecording(path, "file", f"cannot be read ({error.strerror or type(error).__name__})", remedy)


def _with_content(descriptor: int, layout: Layout) -> list[Slot]:
    """Returns the signals, each with whether it holds text, by records that are spread over the file.

    Of a signal that is blank in all of them every record is looked at: a note can stand in one.
    """
    size = layout.record_bytes
    count = max(1, min(layout.n_records, MOST_RECORDS, LOOKED_AT // size))
    chosen = sorted({index * (layout.n_records - 1) // max(1, count - 1) for index in range(count)})
    data = [os.pread(descriptor, size, layout.data_start + index * size) for index in chosen]
    whole = [record for record in data if len(record) == size]
    records = np.frombuffer(b"".join(whole), np.uint8).reshape(len(whole), size)
    slots = []
    for slot in layout.slots:
        content = records[:, slot.offset : slot.offset + slot.n_bytes]
        text = not slot.is_annotation and hold_text(content, layout.sample_bytes)
        unseen = len(whole) < layout.n_records and slot.n_bytes > 0 and not slot.is_annotation
        if unseen and not text and are_blank(content).all():
            parts = parts_of(descriptor, layout, slot)
            text = holds_text_somewhere(parts, slot.n_bytes, layout.sample_bytes)
        slots.append(replace(slot, holds_text=text))
    return slots


def _duration(
    path: Path,
    fields: Fields,
    layout: Layout,
    onsets: Sequence[Onset | None],
    has_signals: bool,
    repairs: Repairs,
) -> float:
    if layout.duration_s is not None:
        return layout.duration_s
    name = "duration of a data record"
    step = even_step(onsets)
    if step is None:
        if not has_signals:
            return 1.0  # annotations have no rate, and are refused for being all there is
        raise BadRecording(path, name, "gives no sampling rate", EXPORT)
    repairs.note(name, text_of(fields.raw[name]), f"{step:g} s, the step of the records' times")
    return step


def _check_times(path: Path, layout: Layout, onsets: Sequence[Onset | None], says_gaps: bool) -> None:
    if says_gaps and not onsets and layout.n_records > 1:
        problem = "discontinuous, and its records do not say when they begin: its gaps cannot be found"
        raise BadRecording(path, "reserved", problem, EXPORT)
