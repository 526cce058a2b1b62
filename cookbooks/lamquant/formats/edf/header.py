"""Parses EDF and BDF headers, and checks them field by field.

Layout: Kemp et al. 1992, "A simple format for exchange of digitized polygraphic recordings"; Kemp and
Olivan 2003 for EDF+; BioSemi's description for the 24-bit BDF. EDF libraries repair or ignore a wrong
count; a training corpus must not, so every header is checked against the file before samples are read.
"""

import math
import stat
from dataclasses import dataclass, field
from pathlib import Path

from blut_resources.files.foreign import open_regular
from blut_resources.text import one_line

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
ANNOTATION_LABELS = frozenset({"EDF Annotations", "BDF Annotations"})
COPY_AGAIN = "copy or download the file again"
REPAIR = "export it again from the recording software, or take it out of the directory"


class BadRecording(Exception):
    """Says that a file cannot be used, and what to do about it.

    Attributes:
        file: the file as the caller named it.
        field: the header field, or the part of the file, at fault.
        problem: the value found and why it is wrong; never an identity field's text.
        remedy: what the owner of the file can do.
    """

    def __init__(self, file: Path | str, field: str, problem: str, remedy: str) -> None:
        self.file, self.field, self.problem, self.remedy = str(file), field, problem, remedy
        super().__init__(file, field, problem, remedy)

    def __str__(self) -> str:
        return one_line(f"{self.file}: {self.field}: {self.problem}; {self.remedy}")


@dataclass(frozen=True)
class SignalHeader:
    """Holds one signal's header as text, with only the sample count parsed:
    the rest may be junk in a signal that is not used (a Status channel, an unplugged input).
    """

    index: int
    label: str
    dimension: str
    text: dict[str, str] = field(repr=False)
    samples_per_record: int

    @property
    def is_annotation(self) -> bool:
        """Says whether it holds annotations and not samples."""
        return self.label in ANNOTATION_LABELS

    def scaling(self, file: Path) -> tuple[int, int, float, float]:
        """Returns the digital and physical range: ``(dig_min, dig_max, phys_min, phys_max)``.

        Raises:
            BadRecording: a limit is not a finite number, or a range is empty.
        """
        where = f"signal {self.index} ({self.label})"
        low = _integer(file, f"digital minimum of {where}", self.text["digital minimum"])
        high = _integer(file, f"digital maximum of {where}", self.text["digital maximum"])
        bottom = _number(file, f"physical minimum of {where}", self.text["physical minimum"])
        top = _number(file, f"physical maximum of {where}", self.text["physical maximum"])
        if low >= high:
            raise BadRecording(
                file, f"digital minimum and maximum of {where}", f"{low} is not below {high}", REPAIR
            )
        if bottom == top:
            raise BadRecording(
                file,
                f"physical minimum and maximum of {where}",
                f"both are {bottom:g}, so every sample would have the same voltage",
                REPAIR,
            )
        return low, high, bottom, top


@dataclass(frozen=True)
class EdfHeader:
    """Holds a header that agrees with its file.

    ``identity`` holds the fields that can name a person (patient, recording, start date and time); it is
    left out of ``repr`` so that no log line shows it.
    """

    kind: str
    bit_depth: int
    n_records: int
    record_duration_s: float
    signals: tuple[SignalHeader, ...]
    trailing_bytes: int
    identity: dict[str, str] = field(repr=False)

    @property
    def synthetic(self) -> bool:
        """Says whether the patient or recording field says SYNTHETIC."""
        return any("SYNTHETIC" in self.identity[name].upper() for name in ("patient", "recording"))


def read_header(path: Path) -> EdfHeader:
    """Parse the header of ``path`` and check it against the file's size.

    Raises:
        BadRecording: not a readable file, not EDF/BDF, or a count that is impossible or disagrees with
            the size of the file.
    """
    size = _size(path)
    try:
        with open_regular(path) as file:
            fixed = file.read(256)
            kind = _kind(path, fixed)
            text = _cut(fixed, FIXED_FIELDS)
            n_signals = _count(path, "number of signals", text["number of signals"])
            block = file.read(256 * n_signals)
    except OSError as error:
        raise _unreadable(path, error) from error
    _check_header_length(path, text["number of bytes in header"], n_signals, len(block))
    if text["reserved"].startswith(("EDF+D", "BDF+D")):
        raise BadRecording(
            path,
            "reserved",
            f"{text['reserved'][:5]} is a discontinuous recording: its gaps would be read as signal",
            "split it at the gaps into continuous files (EDF+C)",
        )
    signals = tuple(_signal(path, block, n_signals, index) for index in range(n_signals))
    n_records, duration = _records(path, text, signals)
    bytes_per_sample = 3 if kind == "BDF" else 2
    record_bytes = bytes_per_sample * sum(signal.samples_per_record for signal in signals)
    trailing = _check_size(path, size - 256 * (n_signals + 1), record_bytes, n_records)
    identity = {name: text[name] for name in ("patient", "recording", "start date", "start time")}
    return EdfHeader(kind, 8 * bytes_per_sample, n_records, duration, signals, trailing, identity)


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise BadRecording(
            path, "file", "is a directory", "rename the directory: .edf and .bdf are for files"
        )
    if not stat.S_ISREG(status.st_mode):
        raise BadRecording(path, "file", "is not a regular file", "put the recording itself there")
    if status.st_size == 0:
        raise BadRecording(path, "file", "is empty (0 bytes)", COPY_AGAIN)
    return status.st_size


def _unreadable(path: Path, error: OSError) -> BadRecording:
    remedy = "give this user permission to read it, or fetch the file if the name is a dangling link"
    return BadRecording(path, "file", f"cannot be read ({error.strerror or error})", remedy)


def _kind(path: Path, fixed: bytes) -> str:
    if fixed[:8] == b"\xffBIOSEMI":
        kind = "BDF"
    elif fixed[:8].rstrip(b" \0") == b"0":
        kind = "EDF"
    else:
        remedy = "convert the recording to EDF or BDF; renaming another format does not"
        raise BadRecording(path, "version", f"{fixed[:8]!r} is neither EDF nor BDF", remedy)
    if len(fixed) < 256:
        raise BadRecording(path, "header", f"truncated: {len(fixed)} of 256 bytes", COPY_AGAIN)
    return kind


def _cut(data: bytes, fields: tuple[tuple[str, int], ...]) -> dict[str, str]:
    # Latin-1 never fails, and it is what writers that ignore the ASCII rule use for the micro sign.
    text, start = {}, 0
    for name, width in fields:
        text[name] = data[start : start + width].decode("latin-1").strip(" \0")
        start += width
    return text


def _signal(path: Path, block: bytes, n_signals: int, index: int) -> SignalHeader:
    text, start = {}, 0
    for name, width in SIGNAL_FIELDS:
        at = start + width * index
        text[name] = block[at : at + width].decode("latin-1").strip(" \0")
        start += width * n_signals
    name = f"samples per data record of signal {index} ({text['label']})"
    samples = _count(path, name, text["samples per data record"])
    return SignalHeader(index, text["label"], text["physical dimension"], text, samples)


def _records(path: Path, text: dict[str, str], signals: tuple[SignalHeader, ...]) -> tuple[int, float]:
    name = "number of data records"
    n_records = _integer(path, name, text[name])
    if n_records == -1:
        remedy = "close the recording in the recording software, or repair the file with its tool"
        raise BadRecording(path, name, "-1: the recording was never closed", remedy)
    if n_records < 0:
        raise BadRecording(path, name, f"{n_records} is negative", REPAIR)
    if n_records == 0:
        raise BadRecording(path, name, "0: the file holds no samples", "take it out of the directory")
    name = "duration of a data record"
    duration = _number(path, name, text[name])
    only_annotations = all(signal.is_annotation for signal in signals)
    if duration < 0 or (duration == 0 and not only_annotations):
        raise BadRecording(path, name, f"{duration:g} s gives no sampling rate", REPAIR)
    return n_records, duration


def _check_header_length(path: Path, text: str, n_signals: int, block_bytes: int) -> None:
    name = "number of bytes in header"
    stated, expected = _integer(path, name, text), 256 * (n_signals + 1)
    if stated != expected:
        problem = f"{stated}, but {n_signals} signals need {expected}"
        raise BadRecording(path, name, problem, REPAIR)
    if block_bytes < 256 * n_signals:
        found = 256 + block_bytes
        raise BadRecording(path, "header", f"truncated: {found} of {expected} bytes", COPY_AGAIN)


def _check_size(path: Path, data_bytes: int, record_bytes: int, n_records: int) -> int:
    """Returns the bytes after the last record; less than one record is tolerated, as some recorders pad."""
    whole, rest = divmod(data_bytes, record_bytes)
    if whole < n_records:
        problem = (
            f"truncated: the header promises {n_records} data records of {record_bytes} bytes, "
            f"the file holds {data_bytes / record_bytes:.2f}"
        )
        raise BadRecording(path, "data records", problem, COPY_AGAIN)
    if whole > n_records:
        problem = f"{n_records}, but the file holds {whole} records of {record_bytes} bytes"
        raise BadRecording(path, "number of data records", problem, REPAIR)
    return rest


def _integer(path: Path, name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRecording(path, name, f"{text!r} is not a whole number", REPAIR) from None


def _count(path: Path, name: str, text: str) -> int:
    value = _integer(path, name, text)
    if value < 1:
        raise BadRecording(path, name, f"{value}: at least 1 is needed", REPAIR)
    return value


def _number(path: Path, name: str, text: str) -> float:
    try:
        # a decimal comma is common in files written on European systems
        value = float(text.replace(",", "."))
    except ValueError:
        raise BadRecording(path, name, f"{text!r} is not a number", REPAIR) from None
    if not math.isfinite(value):
        raise BadRecording(path, name, f"{text!r} is not finite", REPAIR)
    return value
