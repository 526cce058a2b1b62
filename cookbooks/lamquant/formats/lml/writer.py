"""Writes LML1 containers window after window."""

import io
import json
import math
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from cookbooks.lamquant.formats.lml.digest import signal_sha256
from cookbooks.lamquant.formats.lml.layout import (
    ENCODER,
    ENTRY,
    FLAG_FOOTER,
    FOOTER,
    FOOTER_MAGIC,
    HEADER,
    MAX_METADATA,
    MAX_U16,
    MAX_U32,
)
from cookbooks.lamquant.formats.lml.packet import (
    MAGIC,
    MAX_CHANNELS,
    MAX_WINDOW,
    Effort,
    decodes_to,
    encode_packet,
)


class NotBitExact(Exception):
    """Says that the encoder lost a sample: an error of this program, not of a recording."""


class LmlWriter:
    """Writes one recording to a file, in memory that depends on the number of channels only.

    Header, metadata and index stand before the windows, and their sizes are known beforehand: their place is
    left free and filled by `finish`.

    Args:
        file: opened for writing in binary, at its start, and able to seek.
        n_channels: 1..1024.
        n_samples: of each channel, at least 1.
        rate_hz: samples per second, stored in 1/1000 Hz.
        bit_depth: bits of the original sample, 1..32; every value must fit a signed word of that size.
        metadata: JSON object; sample_rate, n_channels and signal_sha256 are set from the signal,
            format_version and encoder where absent.
        window_s: nominal window; clamped so that a window holds 1..65535 samples.
        noise_bits: low bits that are dropped, 0..31.
        effort: search limits of the encoder.
        proved: decode every window at once and compare.

    Raises:
        ValueError: naming the argument that the format cannot hold.
    """

    def __init__(
        self,
        file: BinaryIO,
        n_channels: int,
        n_samples: int,
        rate_hz: float,
        *,
        bit_depth: int,
        metadata: dict[str, Any],
        window_s: float = 10.0,
        noise_bits: int = 0,
        effort: Effort | None = None,
        proved: bool = False,
    ) -> None:
        _check_arguments(n_channels, n_samples, rate_hz, bit_depth, noise_bits)
        self._file, self._shape, self._rate_hz = file, (n_channels, n_samples), rate_hz
        self._bit_depth, self._noise_bits, self._effort = bit_depth, noise_bits, effort
        self._proved = proved
        self.window_size = _window_size(n_samples, rate_hz, window_s)
        """Samples of every window but the last."""
        self._metadata = {"format_version": "1.0", "encoder": ENCODER, **metadata}
        self._n_windows = -(-n_samples // self.window_size)
        self._lengths: list[int] = []
        self._held: list[np.ndarray] = []
        self._n_held = self._taken = self._coded = 0
        file.seek(HEADER.size + len(self._metadata_bytes("0" * 64)) + 4 * self._n_windows)

    def write(self, block: np.ndarray) -> None:
        """Take the next samples, integers [channels, samples], any number at a time.

        Raises:
            ValueError: a value does not fit the bit depth, or the coded bytes exceed 4 GiB.
            NotBitExact: the encoder lost a sample.
        """
        if block.ndim != 2 or block.dtype.kind not in "iu" or len(block) != self._shape[0]:
            raise ValueError(
                f"digital: need integers [{self._shape[0]}, samples], got {block.dtype} {block.shape}"
            )
        self._held.append(block)
        self._n_held += block.shape[1]
        self._taken += block.shape[1]
        if self._taken > self._shape[1]:
            raise ValueError(f"digital: {self._taken} samples, {self._shape[1]} were announced")
        last = self._taken == self._shape[1]
        if self._n_held < self.window_size and not last:
            return
        held = self._held[0] if len(self._held) == 1 else np.concatenate(self._held, axis=1)
        end = self._n_held if last else self._n_held // self.window_size * self.window_size
        for at in range(0, end, self.window_size):
            self._write_window(held[:, at : at + self.window_size].astype(np.int64))
        self._held, self._n_held = ([held[:, end:]], self._n_held - end) if end < self._n_held else ([], 0)

    def finish(self, sha256: str) -> None:
        """Complete the file; ``sha256`` is the digest of all samples, as `signal_sha256` defines it."""
        if len(self._lengths) != self._n_windows:
            raise ValueError(f"digital: {self._taken} samples, {self._shape[1]} were announced")
        meta = self._metadata_bytes(sha256)
        starts = np.cumsum([0] + [length + 4 for length in self._lengths]).tolist()
        windows_at = HEADER.size + len(meta) + 4 * self._n_windows
        table_at = windows_at + starts.pop()
        with_footer = table_at <= MAX_U32  # the footer points to its table with 32 bits
        if with_footer:
            self._file.seek(table_at)
            self._file.write(_footer(windows_at, starts, self._lengths, self.window_size, table_at))
        n_channels, total = self._shape
        counts = (n_channels, self._n_windows, total, self.window_size)
        flags = FLAG_FOOTER if with_footer else 0
        tail = (round(self._rate_hz * 1000), self._bit_depth, flags, len(meta), 0, 0)
        self._file.seek(0)
        self._file.write(HEADER.pack(MAGIC, 1, 0, *counts, *tail))
        self._file.write(meta)
        self._file.write(struct.pack(f"<{len(starts)}I", *starts))

    def _write_window(self, window: np.ndarray) -> None:
        low, high = int(window.min()), int(window.max())
        if low < -(1 << (self._bit_depth - 1)) or high >= 1 << (self._bit_depth - 1):
            raise ValueError(
                f"digital: values {low}..{high} do not fit signed bit_depth {self._bit_depth}; raise it"
            )
        packet = encode_packet(window, noise_bits=self._noise_bits, effort=self._effort)
        if self._proved and not decodes_to(packet, window):
            raise NotBitExact(f"window {len(self._lengths)}: does not decode to the source's samples")
        self._lengths.append(len(packet))
        self._coded += len(packet) + 4
        if self._coded > MAX_U32:
            raise ValueError(f"digital: {self._coded} coded bytes exceed 4 GiB; split the recording")
        self._file.write(struct.pack("<I", len(packet)))
        self._file.write(packet)

    def _metadata_bytes(self, sha256: str) -> bytes:
        full = {
            **self._metadata,
            "sample_rate": self._rate_hz,
            "n_channels": self._shape[0],
            "signal_sha256": sha256,
        }
        try:
            text = json.dumps(
                full, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            )
            encoded = text.encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"metadata: not JSON: {error}") from error
        if len(encoded) > MAX_METADATA:
            raise ValueError(f"metadata: {len(encoded)} bytes exceed {MAX_METADATA}")
        return encoded


def encode_lml(digital: np.ndarray, rate_hz: float, **options: Any) -> bytes:
    """Encode a recording that is in memory: integers [C, T].

    Args:
        digital: the samples.
        rate_hz: samples per second.
        options: those of `LmlWriter`; ``bit_depth`` and ``metadata`` are needed.

    Raises:
        ValueError: naming the argument that the format cannot hold.
    """
    if digital.ndim != 2 or digital.dtype.kind not in "iu":
        raise ValueError(f"digital: need integers [channels, samples], got {digital.dtype} {digital.shape}")
    file = io.BytesIO()
    n_channels, n_samples = digital.shape
    writer = LmlWriter(file, n_channels, n_samples, rate_hz, **options)
    writer.write(digital)
    writer.finish(signal_sha256(digital))
    return file.getvalue()


def _check_arguments(
    n_channels: int, n_samples: int, rate_hz: float, bit_depth: int, noise_bits: int
) -> None:
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise ValueError(f"digital: {n_channels} channels, the format holds 1..{MAX_CHANNELS}")
    if not 1 <= n_samples <= MAX_U32:
        raise ValueError(f"digital: {n_samples} samples per channel, the format holds 1..{MAX_U32}")
    if not (math.isfinite(rate_hz) and 1 <= round(rate_hz * 1000) <= MAX_U32):
        raise ValueError(f"rate_hz: {rate_hz} is not in 0.001..{MAX_U32 / 1000} Hz")
    if not 1 <= bit_depth <= 32:
        raise ValueError(f"bit_depth: {bit_depth} is not in 1..32")
    if not 0 <= noise_bits <= 31:
        raise ValueError(f"noise_bits: {noise_bits} is not in 0..31")


def _window_size(total: int, rate_hz: float, window_s: float) -> int:
    if not (math.isfinite(window_s) and window_s > 0):
        raise ValueError(f"window_s: {window_s} is not a positive duration")
    size = max(1, min(MAX_WINDOW, int(window_s * rate_hz)))
    size = max(size, -(-total // MAX_U16))  # the window count is 16 bits wide
    if size > MAX_WINDOW:
        raise ValueError(f"digital: {total} samples exceed 65535 windows of 65535; split the recording")
    return size


def _footer(windows_at: int, starts: list[int], lengths: list[int], size: int, table_at: int) -> bytes:
    table = b"".join(
        ENTRY.pack(windows_at + start, length + 4, index * size)
        for index, (start, length) in enumerate(zip(starts, lengths, strict=True))
    )
    head = struct.pack("<8sII", FOOTER_MAGIC, FOOTER.size, len(lengths))
    crc = zlib.crc32(table + head) ^ 0xFFFFFFFF
    return table + FOOTER.pack(FOOTER_MAGIC, FOOTER.size, len(lengths), crc, table_at)
