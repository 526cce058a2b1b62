"""Digests samples channel after channel while they arrive moment after moment, in bounded memory."""

import hashlib
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

IN_MEMORY = 64 << 20
"""Bytes of samples that wait in memory before they are laid down in a file."""
SHORT_ROW = 8192
"""Samples of a channel in a block below which blocks are joined before they are laid down."""


class SignalDigest:
    """Computes the channel-major SHA-256 of `signal_sha256` from blocks in time order.

    Samples beyond ``IN_MEMORY`` wait in a file without a name, so a process that dies leaves nothing.

    Args:
        n_channels: rows of every block.
        scratch: directory with room for two or four bytes a sample; the system's own if None.
        kind: of integers that hold every sample; found out block by block if None.
    """

    def __init__(self, n_channels: int, scratch: Path | None = None, kind: str | None = None) -> None:
        self._n_channels, self._scratch, self._kind = n_channels, scratch, kind
        self._waiting: list[np.ndarray] = []
        self._held = 0
        self._laid: list[tuple[int, int, np.dtype]] = []  # offset, samples and type of each stretch
        self._file: IO[bytes] | None = None

    def update(self, block: np.ndarray) -> None:
        """Take the next samples, integers [channels, samples]."""
        self._waiting.append(block.astype(self._kind or _narrowest(block)))
        self._held += self._waiting[-1].nbytes
        if self._held > IN_MEMORY:
            # short rows would be read one by one, once for each channel
            short = block.shape[1] < SHORT_ROW
            for part in [np.concatenate(self._waiting, axis=1)] if short else self._waiting:
                self._lay_down(part)
            self._waiting, self._held = [], 0

    def hexdigest(self) -> str:
        """Returns the digest; nothing may be added afterwards."""
        digest = hashlib.sha256()
        for channel in range(self._n_channels):
            for stretch in self._laid:
                digest.update(self._row(channel, *stretch).astype("<i8").data)
            for block in self._waiting:
                digest.update(block[channel].astype("<i8").data)
        if self._file is not None:
            self._file.close()
        return digest.hexdigest()

    def _lay_down(self, block: np.ndarray) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115
        self._laid.append((self._file.tell(), block.shape[1], block.dtype))
        self._file.write(block.data)

    def _row(self, channel: int, at: int, samples: int, kind: np.dtype) -> np.ndarray:
        assert self._file is not None
        self._file.seek(at + channel * samples * kind.itemsize)
        return np.frombuffer(self._file.read(samples * kind.itemsize), kind)


def _narrowest(block: np.ndarray) -> str:
    low, high = int(block.min()), int(block.max())
    return next(k for k in ("<i2", "<i4", "<i8") if np.iinfo(k).min <= low <= high <= np.iinfo(k).max)


def signal_sha256(digital: np.ndarray) -> str:
    """Returns the SHA-256 of the samples as channel-major little-endian int64 (format section 7.2)."""
    digest = hashlib.sha256()
    for row in digital:
        digest.update(np.ascontiguousarray(row, dtype="<i8").data)
    return digest.hexdigest()
