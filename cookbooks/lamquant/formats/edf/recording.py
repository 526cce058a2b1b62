"""Opens EDF and BDF recordings: the channels that are EEG, as digital integers, block by block.

Only EEG channels of one sampling rate are kept; whatever is left out is listed with its reason, and what was
mended with what is used instead. Identity (patient name, code, birth date, sex, technician, administration
code, equipment, start date and time) is dropped unless asked for, and so are transducers, prefilters and
every other text. What a path tells of a person is for `nameless`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.edf.channels import Range, choose
from cookbooks.lamquant.formats.edf.lists import Lists
from cookbooks.lamquant.formats.edf.parts import Parts, closed_on_error, open_parts
from cookbooks.lamquant.formats.edf.patient import PatientKeys, is_synthetic, patient_keys
from cookbooks.lamquant.formats.edf.problems import (
    BadRecording,
    LeftOut,
    Repair,
)
from cookbooks.lamquant.formats.edf.samples import Samples
from cookbooks.lamquant.formats.edf.tal import Tal
from cookbooks.lamquant.formats.edf.timekeeping import Segment, find_segments
from cookbooks.lamquant.formats.edf.units import microvolts_per


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
    chosen = options or ReadOptions()
    parts = open_parts(path, chosen.repair, scratch)
    with closed_on_error(path, parts.file):
        return _chosen(path, parts, chosen)


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


def _chosen(path: Path, parts: Parts, options: ReadOptions) -> EdfFile:
    layout, duration, identity = parts.layout, parts.duration_s, parts.fields.identity
    channels, left_out = choose(
        path, parts.signals, duration, options.channels, options.exclude, parts.repairs
    )
    per_record = channels[0].slot.samples
    scale, offset = calibration([channel.range for channel in channels])
    segments = find_segments(parts.onsets, layout.n_records, duration, per_record, says_gaps=parts.says_gaps)
    return EdfFile(
        kind=parts.fields.kind,
        bit_depth=8 * layout.sample_bytes,
        rate_hz=per_record / duration,
        record_duration_s=duration,
        channels=[channel.name for channel in channels],
        scale=scale,
        offset=offset,
        ranges=[channel.range for channel in channels],
        segments=segments,
        left_out=left_out,
        repairs=parts.repairs.made,
        trailing_bytes=parts.trailing_bytes,
        synthetic=is_synthetic(identity["patient"], identity["recording"]),
        patient=patient_keys(identity["patient"]),
        identity=identity if options.keep_identity else None,
        _file=parts.file,
        _samples=Samples(path, parts.file.fileno(), layout, [channel.slot for channel in channels]),
        _lists=parts.lists,
    )


def calibration(ranges: Sequence[Range]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns scale and offset, float64 ``[C]``: microvolts are ``digital * scale + offset``."""
    scale, offset = [], []
    for low, high, bottom, top, dimension in ranges:
        unit = microvolts_per(dimension) or 1.0
        gain = (top - bottom) / (high - low)
        scale.append(gain * unit)
        offset.append((bottom - gain * low) * unit)
    return np.array(scale, np.float64), np.array(offset, np.float64)
