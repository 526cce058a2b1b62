"""Cuts an EDF or BDF header into its fields.

Layout: Kemp et al. 1992, "A simple format for exchange of digitized polygraphic recordings"; Kemp and
Olivan 2003 for EDF+; BioSemi's description for the 24-bit BDF. What a field means for the place of the
samples is decided in `layout`, and nowhere else.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cookbooks.lamquant.formats.edf.problems import COPY_AGAIN, EXPORT, BadRecording

FIXED_FIELDS = (
    ("version", 8),
    ("patient", 80),
    ("recording", 80),
    ("start date", 8),
    ("start time", 8),
    ("number of bytes in header", 8),
    ("reserved", 44),
    ("number of data records", 8),
    ("duration of a data record", 8),
    ("number of signals", 4),
)
SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("physical dimension", 8),
    ("physical minimum", 8),
    ("physical maximum", 8),
    ("digital minimum", 8),
    ("digital maximum", 8),
    ("prefiltering", 80),
    ("samples per data record", 8),
    ("reserved", 32),
)
IDENTITY = ("patient", "recording", "start date", "start time")
INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
WHOLE = re.compile(r"([+-]?[0-9]{1,12})[.,]0*")
NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?")
ELSEWHERE = (
    (b"version https://git-lfs", "is a pointer of Git LFS", "fetch the file: git lfs pull"),
    (b"/annex/objects", "is a pointer of git-annex", "fetch the file: git annex get, or datalad get"),
    (b"\x1f\x8b", "is compressed with gzip inside gzip", "decompress it once"),
    (b"<!DOCTYPE", "is a web page", COPY_AGAIN),
    (b"<html", "is a web page", COPY_AGAIN),
    (b"PK\x03\x04", "is a ZIP archive", "unpack it"),
    (b"\x89HDF", "is an HDF5 file", "convert the recording to EDF or BDF"),
    (b"MATLAB", "is a MATLAB file", "convert the recording to EDF or BDF"),
)


@dataclass(frozen=True)
class SignalFields:
    """Holds the fields of one signal's header, as bytes."""

    index: int
    raw: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Fields:
    """Holds the fields of a header, as bytes. ``kind`` is EDF or BDF."""

    kind: str
    raw: dict[str, bytes] = field(repr=False)
    signals: tuple[SignalFields, ...] = field(repr=False)

    @property
    def sample_bytes(self) -> int:
        """Returns the size of a sample."""
        return 3 if self.kind == "BDF" else 2

    @property
    def identity(self) -> dict[str, str]:
        """Returns the fields that can name a person: patient, recording, start date and time."""
        return {name: text_of(self.raw[name]) for name in IDENTITY}


def read_fields(path: Path, file: BinaryIO) -> Fields:
    """Read the header at the beginning of an open file.

    Raises:
        BadRecording: not EDF or BDF, shorter than its header, or without a number of signals.
    """
    file.seek(0)
    fixed = file.read(256)
    kind = _kind(path, fixed)
    if len(fixed) < 256:
        raise BadRecording(path, "header", f"truncated: {len(fixed)} of 256 bytes", COPY_AGAIN)
    raw = _cut(fixed, FIXED_FIELDS)
    count = text_of(raw["number of signals"])
    if not INTEGER.fullmatch(count) or int(count) < 1:
        stated = "not a whole number"
        if INTEGER.fullmatch(count):
            stated = "0: at least 1 is needed" if int(count) == 0 else "below 0: at least 1 is needed"
        raise BadRecording(path, "number of signals", stated, EXPORT)
    n_signals = int(count)
    block = file.read(256 * n_signals)
    if len(block) < 256 * n_signals:
        problem = f"truncated: {256 + len(block)} of {256 * (n_signals + 1)} bytes"
        raise BadRecording(path, "header", problem, COPY_AGAIN)
    return Fields(kind, raw, tuple(_signal(block, n_signals, index) for index in range(n_signals)))


def _kind(path: Path, fixed: bytes) -> str:
    if fixed[:8] == b"\xffBIOSEMI":
        return "BDF"
    if fixed[:8].strip(b" \0") == b"0":
        return "EDF"
    for mark, problem, remedy in ELSEWHERE:
        if fixed.lstrip()[: len(mark)].lower() == mark.lower():
            raise BadRecording(path, "version", problem, remedy)
    remedy = "convert the recording to EDF or BDF; renaming another format does not"
    raise BadRecording(path, "version", "the first 8 bytes are neither EDF's nor BDF's", remedy)


def _cut(data: bytes, fields: tuple[tuple[str, int], ...]) -> dict[str, bytes]:
    raw, start = {}, 0
    for name, width in fields:
        raw[name] = data[start : start + width]
        start += width
    return raw


def _signal(block: bytes, n_signals: int, index: int) -> SignalFields:
    raw, start = {}, 0
    for name, width in SIGNAL_FIELDS:
        at = start + width * index
        raw[name] = block[at : at + width]
        start += width * n_signals
    return SignalFields(index, raw)


def text_of(raw: bytes) -> str:
    """Returns a field's text: up to the first NUL, after spaces and NULs before it.

    Latin-1 never fails, and it is what writers that ignore the ASCII rule use for the micro sign.
    """
    return raw.strip(b" \0\t\r\n").split(b"\0")[0].strip().decode("latin-1")


def has_junk(raw: bytes) -> bool:
    """Says whether something stands behind a NUL, where other readers end a field."""
    return b"\0" in raw.strip(b" \0\t\r\n")


def integer_of(raw: bytes) -> tuple[int | None, bool]:
    """Returns the whole number of a field, or None, and whether it is written as the format says."""
    text = text_of(raw)
    if INTEGER.fullmatch(text):
        return int(text), not has_junk(raw)
    found = WHOLE.fullmatch(text)
    return (int(found[1]) if found else None), False


def number_of(raw: bytes) -> tuple[float | None, bool]:
    """Returns the finite number of a field, or None, and whether it is written as the format says.

    A decimal comma is common in files written on European systems.
    """
    text = text_of(raw)
    if not NUMBER.fullmatch(text):
        return None, False
    value = float(text.replace(",", "."))
    return (value if abs(value) < float("inf") else None), "," not in text and not has_junk(raw)
