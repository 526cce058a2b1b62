"""Reads EDF and BDF recordings as digital integers, with what turns them into microvolts.

Only EEG channels of one sampling rate are kept; whatever is left out is listed with its reason.
Identity (patient name, code, birth date, sex, technician, administration code, equipment, start date
and time) is dropped unless asked for. A path can carry identity too: name directories and files by
pseudonyms before ingest, because the relative path becomes the recording's name.
"""

import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import edfio
import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.edf.header import BadRecording, EdfHeader, SignalHeader, read_header
from cookbooks.lamquant.formats.edf.names import find_recordings

__all__ = ["BadRecording", "EdfRecording", "LeftOut", "find_recordings", "read_edf"]

MICROVOLTS = {"nv": 1e-3, "uv": 1.0, "microv": 1.0, "mv": 1e3, "v": 1e6}
# EDF+ standard label types, and common names, of what is not EEG; matched after a leading "EEG ", which
# the Temple University corpora put before their ECG and eye channels too.
NOT_EEG = re.compile(
    r"^(e[ck]g|[vh]?eog|emg|erg|mcg|meg|resp|airflow|flow|thor|abd|snore|temp|sao2|spo2|osat|pulse|pleth|ppg|"
    r"phot|dc\d|trig|status|event|mark|stim|vns|ibi|bursts|suppr|sound|light|pos|accel|battery|chin|leg|tib|"
    r"x[123]$|[lr]oc\b|[-.\s]*$)",
    re.IGNORECASE,
)
ELECTRODE = re.compile(r"^(fp|af|fc|ft|f|cp|c|tp|t|po|p|o|i|a|m)(z|\d{1,2})\b", re.IGNORECASE)


@dataclass(frozen=True)
class LeftOut:
    """Names a signal of the file that is not in the recording, and says why."""

    label: str
    reason: str


@dataclass(frozen=True)
class EdfRecording:
    """Holds one recording's EEG channels.

    Attributes:
        digital: int32 ``[C, T]``, the file's own integers.
        scale, offset: float64 ``[C]``; microvolts are ``digital * scale + offset``.
        ranges: per channel ``(dig_min, dig_max, phys_min, phys_max, dimension)`` as in the header.
        identity: the header's identity fields where they were asked for, else None.
    """

    kind: str
    bit_depth: int
    rate_hz: float
    channels: list[str]
    digital: NDArray[np.int32] = field(repr=False)
    scale: NDArray[np.float64] = field(repr=False)
    offset: NDArray[np.float64] = field(repr=False)
    ranges: list[tuple[int, int, float, float, str]] = field(repr=False)
    n_records: int
    record_duration_s: float
    left_out: list[LeftOut]
    trailing_bytes: int
    synthetic: bool
    identity: dict[str, str] | None = field(repr=False)
    patient_code: str | None = field(repr=False)

    @property
    def n_samples(self) -> int:
        """Returns the number of samples per channel."""
        return self.digital.shape[1]

    @property
    def duration_s(self) -> float:
        """Returns the length in seconds."""
        return self.n_samples / self.rate_hz


def read_edf(path: Path, *, keep_identity: bool = False) -> EdfRecording:
    """Read the EEG channels of ``path``.

    Raises:
        BadRecording: the file cannot be read, its header is wrong, or no EEG channel is in it.
    """
    header = read_header(path)
    chosen, left_out = _choose(path, header)
    ranges = [(*signal.scaling(path), signal.dimension) for signal in chosen]
    scale, offset = _calibration(ranges)
    return EdfRecording(
        kind=header.kind,
        bit_depth=header.bit_depth,
        rate_hz=chosen[0].samples_per_record / header.record_duration_s,
        channels=_unique([signal.label for signal in chosen]),
        digital=_samples(path, header, chosen),
        scale=scale,
        offset=offset,
        ranges=ranges,
        n_records=header.n_records,
        record_duration_s=header.record_duration_s,
        left_out=left_out,
        trailing_bytes=header.trailing_bytes,
        synthetic=header.synthetic,
        identity=dict(header.identity) if keep_identity else None,
        patient_code=_patient_code(header),
    )


def _choose(path: Path, header: EdfHeader) -> tuple[list[SignalHeader], list[LeftOut]]:
    """Returns EEG signals of the rate that most of them have (the higher rate where that is a tie)."""
    eeg: list[SignalHeader] = []
    left_out: list[LeftOut] = []
    for signal in header.signals:
        reason = _why_not_eeg(path, signal)
        if reason is None:
            eeg.append(signal)
        elif not signal.is_annotation:
            left_out.append(LeftOut(signal.label, reason))
    if not eeg:
        listed = (
            ", ".join(f"{item.label or 'unnamed'} ({item.reason})" for item in left_out) or "annotations only"
        )
        raise BadRecording(
            path,
            "signals",
            f"no EEG channel: {listed}",
            "take it out of the directory, or correct the labels",
        )
    counts = Counter(signal.samples_per_record for signal in eeg)
    kept = max(counts, key=lambda samples: (counts[samples], samples))
    for signal in eeg:
        if signal.samples_per_record != kept:
            rates = [n / header.record_duration_s for n in (signal.samples_per_record, kept)]
            left_out.append(
                LeftOut(signal.label, f"sampled at {rates[0]:g} Hz, the others at {rates[1]:g} Hz")
            )
    return [signal for signal in eeg if signal.samples_per_record == kept], left_out


def _why_not_eeg(path: Path, signal: SignalHeader) -> str | None:
    """Says why a signal is not EEG; None for an EEG signal.

    Raises:
        BadRecording: a signal named as EEG whose unit is not a voltage that is known.
    """
    if signal.is_annotation:
        return "annotations"
    stated = signal.label[:4].upper() == "EEG "
    name = signal.label[4:].lstrip() if stated else signal.label
    if NOT_EEG.match(name):
        return "not EEG by its label"
    if _microvolts(signal.dimension) is not None:
        return None
    if stated or ELECTRODE.match(name):
        raise BadRecording(
            path,
            f"physical dimension of signal {signal.index} ({signal.label})",
            f"{signal.dimension!r} is not a voltage, so microvolts cannot be derived",
            "write uV, mV, V or nV into the header, whichever the amplifier used",
        )
    return f"unit {signal.dimension!r} is not a voltage"


def _microvolts(dimension: str) -> float | None:
    # The micro sign arrives as Latin-1, as UTF-8 read as Latin-1, or as the Greek letter's bytes.
    plain = dimension.replace("Â", "").replace("µ", "u").replace("\xce\xbc", "u").replace("\xec", "u")
    return MICROVOLTS.get(plain.strip().lower())


def _calibration(
    ranges: list[tuple[int, int, float, float, str]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale, offset = [], []
    for low, high, bottom, top, dimension in ranges:
        unit = _microvolts(dimension) or 1.0
        gain = (top - bottom) / (high - low)
        scale.append(gain * unit)
        offset.append((bottom - gain * low) * unit)
    return np.array(scale, np.float64), np.array(offset, np.float64)


def _samples(path: Path, header: EdfHeader, chosen: list[SignalHeader]) -> NDArray[np.int32]:
    reader = edfio.read_bdf if header.kind == "BDF" else edfio.read_edf
    # edfio's `signals` passes over annotation signals, so its numbering is another.
    ordinary = [signal.index for signal in header.signals if signal.label != f"{header.kind} Annotations"]
    digital = np.empty((len(chosen), chosen[0].samples_per_record * header.n_records), np.int32)
    try:
        with warnings.catch_warnings():
            # trailing bytes were already measured and recorded
            warnings.simplefilter("ignore")
            signals = reader(path, header_encoding="latin-1").signals
        for row, signal in enumerate(chosen):
            digital[row] = signals[ordinary.index(signal.index)].digital
    except (OSError, ValueError, IndexError, OverflowError) as error:
        remedy = "copy the file again; if it stays so, export it again from the recording software"
        problem = f"cannot be read ({type(error).__name__})"
        raise BadRecording(path, "data records", problem, remedy) from error
    return digital


def _unique(labels: list[str]) -> list[str]:
    """Make labels distinct: the second ``T8-P8`` becomes ``T8-P8 (2)``."""
    taken: set[str] = set()
    result = []
    for label in labels:
        name, number = label, 1
        while name in taken:
            number += 1
            name = f"{label} ({number})"
        taken.add(name)
        result.append(name)
    return result


def _patient_code(header: EdfHeader) -> str | None:
    """Returns the EDF+ patient code (first word of the field); None where it is blank or the anonymous X."""
    words = header.identity["patient"].split()
    return words[0] if words and words[0].upper() not in {"X", "-", "ANONYMOUS"} else None
