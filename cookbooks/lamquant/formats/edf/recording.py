"""Opens EDF and BDF recordings: the channels that are EEG, as digital integers, block by block.

Only EEG channels of one sampling rate are kept; whatever is left out is listed with its reason, and what was
mended with what is used instead. Identity (patient name, code, birth date, sex, technician, administration
code, equipment, start date and time) is dropped unless asked for, and so are transducers, prefilters and
every other text. What a path tells of a person is for `nameless`.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from blut_resources.files.foreign import NotRegular, open_regular
from cookbooks.lamquant.formats.edf.channels import Range, TakenChannel, choose
from cookbooks.lamquant.formats.edf.compressed import MAGIC, inflated
from cookbooks.lamquant.formats.edf.content import are_blank, hold_text, holds_text_somewhere
from cookbooks.lamquant.formats.edf.header import Fields, read_fields, text_of
from cookbooks.lamquant.formats.edf.layout import Layout, Slot, lay_out
from cookbooks.lamquant.formats.edf.lists import Lists, parts_of
from cookbooks.lamquant.formats.edf.patient import PatientKeys, is_synthetic, patient_keys
from cookbooks.lamquant.formats.edf.problems import (
    COPY_AGAIN,
    EXPORT,
    BadRecording,
    LeftOut,
    Repair,
    Repairs,
    identity_words,
)
from cookbooks.lamquant.formats.edf.samples import Samples
from cookbooks.lamquant.formats.edf.tal import Tal
from cookbooks.lamquant.formats.edf.timekeeping import Onset, Segment, even_step, find_segments
from cookbooks.lamquant.formats.edf.units import microvolts_per

LOOKED_AT, MOST_RECORDS = 4 << 20, 1000
"""Bytes, and data records, spread over the file, in which text is looked for."""


@dataclass(frozen=True)
class ReadOptions:
    """Says how files are read.

    Attributes:
        repair: ``record`` what is mended as other readers do, or ``refuse`` a file that needs it.
        channels: labels or electrodes to take; empty for a choice by label.
        exclude: labels or electrodes to leave out.
        keep_identity: whether the fields that name a person are kept.
    """

    repair: Literal["record", "refuse"] = "record"
    channels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep_identity: bool = False


@dataclass(frozen=True)
class EdfFile:
    """Holds an open recording; a context manager that closes it.

    Attributes:
        kind: EDF or BDF; ``bit_depth`` is 16 or 24.
        scale, offset: float64 ``[C]``; microvolts are ``digital * scale + offset``.
        ranges: per channel digital minimum and maximum, physical minimum and maximum, and their unit.
        trailing_bytes: behind the last data record, and behind the last member of a gzip file.
        segments: stretches without a gap; one where the recording has none.
        patient: pseudonyms of the patient that the header names.
        identity: the header's identity fields where they were asked for, else None.
    """

    kind: str
    bit_depth: int
    rate_hz: float
    record_duration_s: float
    channels: list[str]
    scale: NDArray[np.float64] = field(repr=False)
    offset: NDArray[np.float64] = field(repr=False)
    ranges: list[Range] = field(repr=False)
    segments: list[Segment]
    left_out: list[LeftOut]
    repairs: list[Repair]
    trailing_bytes: int
    synthetic: bool
    patient: PatientKeys
    identity: dict[str, str] | None = field(repr=False)
    _file: BinaryIO = field(repr=False)
    _samples: Samples = field(repr=False)
    _lists: Lists = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    @property
    def n_samples(self) -> int:
        """Returns the number of samples per channel, of all segments."""
        return sum(segment.n_samples for segment in self.segments)

    @property
    def duration_s(self) -> float:
        """Returns the length in seconds, without gaps."""
        return self.n_samples / self.rate_hz

    def read(self, segment: Segment, start: int = 0, stop: int | None = None) -> NDArray[np.int32]:
        """Returns samples ``start`` to ``stop`` of a segment, int32 ``[C, n]``.

        Raises:
            BadRecording: the file cannot be read any more.
        """
        end = segment.n_samples if stop is None else min(stop, segment.n_samples)
        return self._samples.read(segment.first_record, start, max(start, end))

    def blocks(self, segment: Segment, samples: int) -> Iterator[NDArray[np.int32]]:
        """Yields a segment in order of time, int32 ``[C, samples]`` and what is left at its end.

        Raises:
            BadRecording: the file cannot be read any more.
        """
        return self._samples.blocks(segment.first_record, segment.n_samples, samples)

    def annotations(self, *, strict: bool = False) -> Iterator[Tal]:
        """Yields the annotations, record by record; their texts can name a person.

        Raises:
            BadTal: with ``strict``, one of them is damaged.
        """
        return self._lists.annotations(strict)


def open_edf(path: Path, options: ReadOptions | None = None, *, scratch: Path | None = None) -> EdfFile:
    """Open a recording, also one that is compressed with gzip, and check all of it but its samples.

    Args:
        path: the file.
        options: how to read it.
        scratch: directory for what is inflated; the system's place for temporary files if None.

    Raises:
        BadRecording: the file cannot be read, its header is wrong, or no EEG channel is in it.
    """
    file, left_over = _opened(path, scratch)
    with _closed_on_error(path, file):
        found = _read(path, file, options or ReadOptions())
        return replace(found, trailing_bytes=found.trailing_bytes + left_over)


@dataclass(frozen=True)
class EdfRecording:
    """Holds the EEG channels of a recording without gaps, whole.

    Attributes:
        digital: int32 ``[C, T]``, the file's own integers.
        scale, offset: float64 ``[C]``; microvolts are ``digital * scale + offset``.
    """

    channels: list[str]
    rate_hz: float
    digital: NDArray[np.int32] = field(repr=False)
    scale: NDArray[np.float64] = field(repr=False)
    offset: NDArray[np.float64] = field(repr=False)


def read_edf(path: Path, options: ReadOptions | None = None) -> EdfRecording:
    """Read the EEG channels of a recording that has no gaps into memory.

    Raises:
        BadRecording: as `open_edf`, or the recording has gaps.
    """
    with open_edf(path, options) as file:
        if len(file.segments) > 1:
            problem = f"{len(file.segments)} segments with gaps between them"
            raise BadRecording(
                path, "data records", problem, "open it with open_edf, which gives them one by one"
            )
        digital = file.read(file.segments[0])
        return EdfRecording(file.channels, file.rate_hz, digital, file.scale, file.offset)


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
    with _closed_on_error(path, file):
        if os.fstat(file.fileno()).st_size == 0:
            raise BadRecording(path, "file", "is empty (0 bytes)", COPY_AGAIN)
        if file.peek(3)[:3] != MAGIC:
            return file, 0
        with file:
            return inflated(path, file, scratch)


@contextlib.contextmanager
def _closed_on_error(path: Path, file: BinaryIO) -> Iterator[None]:
    """Leave a file open if all goes well; else close it, and say what could not be read."""
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


def _read(path: Path, file: BinaryIO, options: ReadOptions) -> EdfFile:
    fields = read_fields(path, file)
    identity = fields.identity
    repairs = Repairs(path, options.repair, identity_words(identity))
    layout = lay_out(path, fields, file.fileno(), repairs)
    slots = _with_content(file.fileno(), layout)
    lists = Lists(file.fileno(), layout, [slot for slot in slots if slot.is_annotation or slot.holds_text])
    onsets = lists.onsets()
    signals = [slot for slot in slots if not slot.is_annotation]
    duration = _duration(path, fields, layout, onsets, bool(signals), repairs)
    channels, left_out = choose(path, signals, duration, options.channels, options.exclude, repairs)
    says_gaps = text_of(fields.raw["reserved"])[:5].upper() in ("EDF+D", "BDF+D")
    _check_times(path, layout, onsets, says_gaps)
    per_record = channels[0].slot.samples
    scale, offset = _calibration(channels)
    return EdfFile(
        kind=fields.kind,
        bit_depth=8 * layout.sample_bytes,
        rate_hz=per_record / duration,
        record_duration_s=duration,
        channels=[channel.name for channel in channels],
        scale=scale,
        offset=offset,
        ranges=[channel.range for channel in channels],
        segments=find_segments(onsets, layout.n_records, duration, per_record, says_gaps=says_gaps),
        left_out=left_out,
        repairs=repairs.made,
        trailing_bytes=layout.trailing_bytes,
        synthetic=is_synthetic(identity["patient"], identity["recording"]),
        patient=patient_keys(identity["patient"]),
        identity=identity if options.keep_identity else None,
        _file=file,
        _samples=Samples(path, file.fileno(), layout, [channel.slot for channel in channels]),
        _lists=lists,
    )


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


def _calibration(channels: Sequence[TakenChannel]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale, offset = [], []
    for channel in channels:
        low, high, bottom, top, dimension = channel.range
        unit = microvolts_per(dimension) or 1.0
        gain = (top - bottom) / (high - low)
        scale.append(gain * unit)
        offset.append((bottom - gain * low) * unit)
    return np.array(scale, np.float64), np.array(offset, np.float64)
