"""Writes EDF and BDF files block by block: given header fields, samples of any rates, annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.edf.header import FIXED_FIELDS, SIGNAL_FIELDS

VERSIONS = {"EDF": b"0", "BDF": b"\xffBIOSEMI"}
SAMPLE_BYTES = {"EDF": 2, "BDF": 3}


class Unwritable(ValueError):
    """Says which field or sample the format has no room for."""


@dataclass(frozen=True)
class Outline:
    """Holds a header: bytes of each field by its name in `header`, without the spaces that fill it up.

    Attributes:
        fixed: fields of the file; what follows from the signals is not among them.
        signals: fields of each signal.
        samples: of each signal in a data record.
    """

    kind: Literal["EDF", "BDF"]
    n_records: int
    fixed: Mapping[str, bytes] = field(repr=False)
    signals: Sequence[Mapping[str, bytes]] = field(repr=False)
    samples: Sequence[int]

    def rendered(self) -> bytes:
        """Returns the header as it stands at the beginning of a file.

        Raises:
            Unwritable: a field is longer than its place.
        """
        count = len(self.signals)
        own = {
            "version": VERSIONS[self.kind],
            "number of bytes in header": str(256 * (count + 1)).encode(),
            "number of data records": str(self.n_records).encode(),
            "number of signals": str(count).encode(),
        }
        head = b"".join(
            _filled(name, {**self.fixed, **own}.get(name, b""), width) for name, width in FIXED_FIELDS
        )
        rows = [
            {**fields, "samples per data record": str(samples).encode()}
            for fields, samples in zip(self.signals, self.samples, strict=True)
        ]
        return head + b"".join(
            _filled(name, row.get(name, b""), width) for name, width in SIGNAL_FIELDS for row in rows
        )


def _filled(name: str, value: bytes, width: int) -> bytes:
    if len(value) > width:
        raise Unwritable(f"{name}: {len(value)} bytes do not fit into its {width}")
    return value.ljust(width)


class RecordWriter:
    """Writes data records, a run of them at a time."""

    def __init__(self, file: BinaryIO, outline: Outline) -> None:
        self._file, self._outline, self._width = file, outline, SAMPLE_BYTES[outline.kind]
        file.write(outline.rendered())

    def write(self, parts: Sequence[NDArray[np.int32] | Sequence[bytes]]) -> None:
        """Write records: of each signal its samples int32 ``[records * samples]``, or bytes for each record.

        Raises:
            Unwritable: a sample does not fit into the samples of the format.
        """
        raw = [
            self._integers(part, samples) if isinstance(part, np.ndarray) else self._bytes(part, samples)
            for part, samples in zip(parts, self._outline.samples, strict=True)
        ]
        self._file.write(np.concatenate(raw, axis=1).tobytes())

    def _integers(self, part: NDArray[np.int32], samples: int) -> NDArray[np.uint8]:
        limit = 1 << 8 * self._width - 1
        if part.size and not (-limit <= part.min() and part.max() < limit):
            raise Unwritable(
                f"samples of {part.min()} to {part.max()} do not fit into {8 * self._width} bits"
            )
        words = part.astype("<i4").view(np.uint8).reshape(-1, samples, 4)[..., : self._width]
        return words.reshape(len(words), samples * self._width)

    def _bytes(self, part: Sequence[bytes], samples: int) -> NDArray[np.uint8]:
        size = samples * self._width
        return np.frombuffer(b"".join(one.ljust(size, b"\0") for one in part), np.uint8).reshape(
            len(part), size
        )
