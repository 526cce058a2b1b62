"""Keeps many small records on disk and hands back those of equal key together, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARTS = 64
HELD_BYTES = 16 << 20
"""Records held before they are written; a small corpus never touches the disk."""
MOST = 1 << 19
"""Records handed out at a time, unless more of them share one key."""

_SHIFT = 6


class Spool:
    """Collects records of one type; ``key`` names the uint64 field by which they belong together.

    The low bits of the key choose a file, the bits above them the part of a file that is read at a time, so
    they have to be spread evenly. Memory: ``HELD_BYTES``, then about ``MOST`` records.
    """

    def __init__(self, directory: Path, name: str, dtype: np.dtype, key: str) -> None:
        self._directory, self._name, self._dtype, self._key = directory, name, dtype, key
        self._held: list[NDArray] = []
        self._held_bytes = 0
        self._counts = np.zeros(PARTS, np.int64)

    def add(self, records: NDArray) -> None:
        """Take records of the type."""
        self._held.append(records)
        self._held_bytes += records.nbytes
        if self._held_bytes >= HELD_BYTES:
            self._write()

    def families(self) -> Iterator[NDArray]:
        """Yield all records, those of one key in one array."""
        if not self._counts.any():
            held = np.concatenate([*self._held, np.empty(0, self._dtype)])
            yield held
            return
        self._write()
        for part in range(PARTS):
            yield from self._part(part)

    def _part(self, part: int) -> Iterator[NDArray]:
        slices = _power_of_two(int(self._counts[part]) // MOST + 1)
        for index in range(slices if self._counts[part] else 0):
            found = []
            with self._path(part).open("rb") as file:
                while data := file.read(MOST * self._dtype.itemsize):
                    piece = np.frombuffer(data, self._dtype)
                    wanted = (piece[self._key] >> np.uint64(_SHIFT)) & np.uint64(slices - 1) == index
                    found.append(piece[wanted])
            yield np.concatenate(found)

    def _write(self) -> None:
        held = np.concatenate([*self._held, np.empty(0, self._dtype)])
        part = (held[self._key] & np.uint64(PARTS - 1)).astype(np.int64)
        held = held[np.argsort(part, kind="stable")]
        counts = np.bincount(part, minlength=PARTS)
        for index, records in enumerate(np.split(held, np.cumsum(counts)[:-1])):
            if len(records):
                with self._path(index).open("ab") as file:
                    file.write(records.tobytes())
        self._counts += counts
        self._held, self._held_bytes = [], 0

    def _path(self, part: int) -> Path:
        return self._directory / f"{self._name}-{part:02d}"


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()
