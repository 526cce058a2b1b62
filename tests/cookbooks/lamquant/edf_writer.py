"""Writes EDF and BDF files of which every byte can be wrong; shares no code with what reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

N, RECORDS = 64, 6
"""Samples a record, and records, unless said otherwise: 64 Hz, 6 seconds."""
Content = Callable[[int], bytes]


def walk(seed: int, n: int = N, records: int = RECORDS, reach: int = 3000) -> NDArray[np.int64]:
    """Integers that no other seed gives, as ``[records, n]``."""
    rng = np.random.default_rng(seed)
    steps = np.rint(rng.normal(0, reach / 60, n * records).cumsum()).astype(np.int64)
    return np.clip(steps, -reach, reach).reshape(records, n)


@dataclass(frozen=True)
class Sig:
    """One signal: header fields as they are to stand there, and samples, or bytes for each record."""

    label: str | bytes
    digital: NDArray[np.int64] | None = None
    content: Content | None = None
    unit: str | bytes = "uV"
    pmin: str | bytes = "-1000"
    pmax: str | bytes = "1000"
    dmin: str | bytes = "-32768"
    dmax: str | bytes = "32767"
    transducer: str | bytes = ""
    prefilter: str | bytes = ""
    ns: str | bytes | None = None
    reserved: str | bytes = ""

    def record(self, index: int, width: int) -> bytes:
        if self.content is not None:
            return self.content(index)
        assert self.digital is not None
        row = self.digital[index].astype("<i4")
        return (
            row.astype("<i2").tobytes() if width == 2 else row.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        )


@dataclass(frozen=True)
class Edf:
    """A file; ``count``, ``header_bytes`` and ``ns_field`` are worked out where they are None."""

    signals: Sequence[Sig]
    width: int = 2
    records: int = RECORDS
    version: bytes | None = None
    patient: str | bytes = "X X X X"
    recording: str | bytes = "Startdate X X X X"
    date: str | bytes = "01.01.85"
    time: str | bytes = "00.00.00"
    header_bytes: str | bytes | None = None
    reserved: str | bytes = ""
    count: str | bytes | None = None
    duration: str | bytes = "1"
    ns_field: str | bytes | None = None
    between: bytes = b""
    tail: bytes = b""
    cut: int = 0
    holes: dict[str, bytes] = field(default_factory=dict)

    def bytes(self) -> bytes:
        signals, version = list(self.signals), self.version
        if version is None:
            version = b"0" if self.width == 2 else b"\xffBIOSEMI"
        first = [one.record(0, self.width) for one in signals]
        head = _field(version, 8) + _field(self.patient, 80) + _field(self.recording, 80)
        head += _field(self.date, 8) + _field(self.time, 8)
        head += _field(_or(self.header_bytes, 256 * (len(signals) + 1)), 8) + _field(self.reserved, 44)
        head += _field(_or(self.count, self.records), 8) + _field(self.duration, 8)
        head += _field(_or(self.ns_field, len(signals)), 4)
        columns = (
            *(("label", 16), ("transducer", 80), ("unit", 8), ("pmin", 8), ("pmax", 8), ("dmin", 8)),
            *(("dmax", 8), ("prefilter", 80), ("ns", 8), ("reserved", 32)),
        )
        for name, width in columns:
            for one, record in zip(signals, first, strict=True):
                value = getattr(one, name)
                head += _field(_or(value, len(record) // self.width), width)
        data = b"".join(one.record(index, self.width) for index in range(self.records) for one in signals)
        whole = head + self.between + data + self.tail
        return whole[: len(whole) - self.cut]


def _or(value: str | bytes | None, default: int) -> str | bytes:
    return str(default) if value is None else value


def _field(value: str | bytes, width: int) -> bytes:
    raw = value.encode("latin-1") if isinstance(value, str) else value
    assert len(raw) <= width, (value, width)
    return raw.ljust(width)


def eeg(label: str | bytes, seed: int, **more: object) -> Sig:
    """A channel with samples of its own."""
    return replace(Sig(label, walk(seed)), **more)  # type: ignore[arg-type]


def lists(
    label: str | bytes = "EDF Annotations",
    n: int = 30,
    width: int = 2,
    onsets: Sequence[str] | None = None,
    texts: Sequence[bytes] = (),
    **more: object,
) -> Sig:
    """An annotation signal of ``n`` samples a record, whose records begin at these times."""

    def content(index: int) -> bytes:
        onset = onsets[index] if onsets else f"+{index}"
        raw = f"{onset}\x14\x14\0".encode() if onset else b""
        if index < len(texts):
            raw += texts[index] + b"\0"
        assert len(raw) <= n * width
        return raw.ljust(n * width, b"\0")

    fixed = Sig(label, content=content, unit="", pmin="-1", pmax="1")
    if width == 3:
        fixed = replace(fixed, dmin="-8388608", dmax="8388607")
    return replace(fixed, **more)  # type: ignore[arg-type]
