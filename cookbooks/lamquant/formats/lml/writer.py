"""Write LML1 containers."""

import json
import math
import struct
import zlib
from typing import Any

import numpy as np

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
    signal_sha256,
)
from cookbooks.lamquant.formats.lml.packet import MAGIC, MAX_CHANNELS, MAX_WINDOW, Effort, encode_packet


def encode_lml(
    digital: np.ndarray,
    rate_hz: float,
    *,
    bit_depth: int,
    metadata: dict[str, Any],
    window_s: float = 10.0,
    noise_bits: int = 0,
    effort: Effort | None = None,
) -> bytes:
    """Encode a recording losslessly (or without its ``noise_bits`` low bits).

    Args:
        digital: integers [C, T] that fit a signed ``bit_depth`` word, C in 1..1024, T >= 1.
        rate_hz: samples per second, stored in 1/1000 Hz.
        bit_depth: bits of the original sample, 1..32.
        metadata: JSON object; sample_rate, n_channels and signal_sha256 are set from the signal,
            format_version and encoder where absent.
        window_s: nominal window; clamped so that a window holds 1..65535 samples.
        noise_bits: 0..31.
        effort: search limits of the encoder.

    Raises:
        ValueError: naming the argument that the format cannot hold.
    """
    _check_arguments(digital, rate_hz, bit_depth, noise_bits)
    n_channels, total = digital.shape
    size = _window_size(total, rate_hz, window_s)
    packets = [
        encode_packet(digital[:, at : at + size].astype(np.int64), noise_bits=noise_bits, effort=effort)
        for at in range(0, total, size)
    ]
    meta = _metadata_bytes(digital, rate_hz, metadata)
    starts = np.cumsum([0] + [len(packet) + 4 for packet in packets]).tolist()
    if starts[-1] > MAX_U32:
        raise ValueError(f"digital: {starts[-1]} coded bytes exceed 4 GiB; split the recording")
    windows_at = HEADER.size + len(meta) + 4 * len(packets)
    table_at = windows_at + starts.pop()
    with_footer = table_at <= MAX_U32  # the footer points to its table with 32 bits
    rate_mhz = round(rate_hz * 1000)
    counts = (n_channels, len(packets), total, size)
    tail = (rate_mhz, bit_depth, FLAG_FOOTER if with_footer else 0, len(meta), 0, 0)
    parts = [HEADER.pack(MAGIC, 1, 0, *counts, *tail), meta, struct.pack(f"<{len(starts)}I", *starts)]
    for packet in packets:
        parts += [struct.pack("<I", len(packet)), packet]
    if with_footer:
        parts.append(_footer([windows_at + start for start in starts], packets, size, table_at))
    return b"".join(parts)


def _check_arguments(digital: np.ndarray, rate_hz: float, bit_depth: int, noise_bits: int) -> None:
    if digital.ndim != 2 or digital.dtype.kind not in "iu":
        raise ValueError(f"digital: need integers [channels, samples], got {digital.dtype} {digital.shape}")
    n_channels, total = digital.shape
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise ValueError(f"digital: {n_channels} channels, the format holds 1..{MAX_CHANNELS}")
    if not 1 <= total <= MAX_U32:
        raise ValueError(f"digital: {total} samples per channel, the format holds 1..{MAX_U32}")
    if not (math.isfinite(rate_hz) and 1 <= round(rate_hz * 1000) <= MAX_U32):
        raise ValueError(f"rate_hz: {rate_hz} is not in 0.001..{MAX_U32 / 1000} Hz")
    if not 1 <= bit_depth <= 32:
        raise ValueError(f"bit_depth: {bit_depth} is not in 1..32")
    if not 0 <= noise_bits <= 31:
        raise ValueError(f"noise_bits: {noise_bits} is not in 0..31")
    low, high = int(digital.min()), int(digital.max())
    if low < -(1 << (bit_depth - 1)) or high >= 1 << (bit_depth - 1):
        raise ValueError(f"digital: values {low}..{high} do not fit signed bit_depth {bit_depth}; raise it")


def _window_size(total: int, rate_hz: float, window_s: float) -> int:
    if not (math.isfinite(window_s) and window_s > 0):
        raise ValueError(f"window_s: {window_s} is not a positive duration")
    size = max(1, min(MAX_WINDOW, int(window_s * rate_hz)))
    size = max(size, -(-total // MAX_U16))  # the window count is 16 bits wide
    if size > MAX_WINDOW:
        raise ValueError(f"digital: {total} samples exceed 65535 windows of 65535; split the recording")
    return size


def _metadata_bytes(digital: np.ndarray, rate_hz: float, metadata: dict[str, Any]) -> bytes:
    full = {
        "format_version": "1.0",
        "encoder": ENCODER,
        **metadata,
        "sample_rate": rate_hz,
        "n_channels": digital.shape[0],
        "signal_sha256": signal_sha256(digital),
    }
    try:
        text = json.dumps(full, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        encoded = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata: not JSON: {error}") from error
    if len(encoded) > MAX_METADATA:
        raise ValueError(f"metadata: {len(encoded)} bytes exceed {MAX_METADATA}")
    return encoded


def _footer(offsets: list[int], packets: list[bytes], size: int, table_at: int) -> bytes:
    table = b"".join(
        ENTRY.pack(offset, len(packet) + 4, index * size)
        for index, (offset, packet) in enumerate(zip(offsets, packets, strict=True))
    )
    head = struct.pack("<8sII", FOOTER_MAGIC, FOOTER.size, len(packets))
    crc = zlib.crc32(table + head) ^ 0xFFFFFFFF
    return table + FOOTER.pack(FOOTER_MAGIC, FOOTER.size, len(packets), crc, table_at)
