"""LML1 container: header, metadata, window index, windows, footer. Independent implementation.

All integers little-endian. ``encode_lml`` and ``decode_lml`` are inverse to each other bit for bit.

The footer table's checksum is the CRC-32 register *before* the final complement. The published text does
not say so, but every existing file stores it that way, and files written here do too.
"""

import hashlib
import json
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cookbooks.lamquant.formats.lml_errors import BadHeader, CrcMismatch, LmlError, Truncated, Unsupported
from cookbooks.lamquant.formats.lml_packet import (
    MAGIC,
    MAX_CHANNELS,
    MAX_WINDOW,
    Effort,
    PacketHeader,
    decode_packet,
    encode_packet,
    read_header,
)

__all__ = [
    "BadHeader",
    "CrcMismatch",
    "Effort",
    "LmlError",
    "LmlFile",
    "Truncated",
    "Unsupported",
    "decode_lml",
    "encode_lml",
    "signal_sha256",
]

ENCODER = "blut-lml 1"
MAX_METADATA = 16 << 20
_MAX_U32 = (1 << 32) - 1
_HEADER = struct.Struct("<4sBBHHIHIBBIHI")
_FOOTER = struct.Struct("<8sIIII8x")
_ENTRY = struct.Struct("<QII")
_FOOTER_MAGIC = b"LMLFOOT1"
_FLAG_FOOTER = 1


@dataclass(frozen=True)
class LmlFile:
    """A decoded recording.

    ``digital`` is [C, T], int32 when every value fits, else int64. ``noise_bits`` is the largest number
    of low bits that the writer dropped (0: exact). ``legacy_crc`` tells that some packet used the older
    checksum scope, which leaves the packet header unprotected.
    """

    digital: np.ndarray
    rate_hz: float
    bit_depth: int
    metadata: dict[str, Any] = field(default_factory=dict)
    noise_bits: int = 0
    window_size: int = 0
    n_windows: int = 0
    has_footer: bool = False
    legacy_crc: bool = False


def signal_sha256(digital: np.ndarray) -> str:
    """SHA-256 of the samples as channel-major little-endian int64 (format section 7.2)."""
    digest = hashlib.sha256()
    for row in digital:
        digest.update(np.ascontiguousarray(row, dtype="<i8"))
    return digest.hexdigest()


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
        metadata: JSON object; format_version, encoder, sample_rate, n_channels are added where absent,
            signal_sha256 always.
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
    if starts[-1] > _MAX_U32:
        raise ValueError(f"digital: {starts[-1]} coded bytes exceed 4 GiB; split the recording")
    windows_at = _HEADER.size + len(meta) + 4 * len(packets)
    table_at = windows_at + starts.pop()
    with_footer = table_at <= _MAX_U32  # the footer points to its table with 32 bits
    rate_mhz = round(rate_hz * 1000)
    parts = [
        _HEADER.pack(
            MAGIC,
            1,
            0,
            n_channels,
            len(packets),
            total,
            size,
            rate_mhz,
            bit_depth,
            int(with_footer),
            len(meta),
            0,
            0,
        ),
        meta,
        struct.pack(f"<{len(starts)}I", *starts),
    ]
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
    if not 1 <= total <= _MAX_U32:
        raise ValueError(f"digital: {total} samples per channel, the format holds 1..{_MAX_U32}")
    if not (math.isfinite(rate_hz) and 1 <= round(rate_hz * 1000) <= _MAX_U32):
        raise ValueError(f"rate_hz: {rate_hz} is not in 0.001..{_MAX_U32 / 1000} Hz")
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
    size = max(size, -(-total // 65535))  # the window count is 16 bits wide
    if size > MAX_WINDOW:
        raise ValueError(f"digital: {total} samples exceed 65535 windows of 65535; split the recording")
    return size


def _metadata_bytes(digital: np.ndarray, rate_hz: float, metadata: dict[str, Any]) -> bytes:
    full = {
        "format_version": "1.0",
        "encoder": ENCODER,
        "sample_rate": rate_hz,
        "n_channels": digital.shape[0],
        **metadata,
        "signal_sha256": signal_sha256(digital),
    }
    try:
        text = json.dumps(full, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata: not JSON: {error}") from error
    encoded = text.encode("utf-8")
    if len(encoded) > MAX_METADATA:
        raise ValueError(f"metadata: {len(encoded)} bytes exceed {MAX_METADATA}")
    return encoded


def _footer(offsets: list[int], packets: list[bytes], size: int, table_at: int) -> bytes:
    table = b"".join(
        _ENTRY.pack(offset, len(packet) + 4, index * size)
        for index, (offset, packet) in enumerate(zip(offsets, packets, strict=True))
    )
    head = struct.pack("<8sII", _FOOTER_MAGIC, _FOOTER.size, len(packets))
    crc = zlib.crc32(table + head) ^ 0xFFFFFFFF
    return table + _FOOTER.pack(_FOOTER_MAGIC, _FOOTER.size, len(packets), crc, table_at)


@dataclass(frozen=True)
class _Header:
    n_channels: int
    n_windows: int
    total: int
    window_size: int
    rate_mhz: int
    bit_depth: int
    flags: int
    n_metadata: int


def decode_lml(data: bytes) -> LmlFile:
    """Decode an LML1 file and verify every checksum it carries.

    ``signal_sha256`` of the metadata is verified too, unless low bits were dropped. Bytes after the last
    window of a file without footer are ignored, as the format demands.

    Raises:
        LmlError: Truncated, BadHeader, CrcMismatch or Unsupported.
    """
    header = _read_container_header(data)
    index_at = _HEADER.size + header.n_metadata
    windows_at = index_at + 4 * header.n_windows
    if windows_at > len(data):
        raise Truncated(f"file: {len(data)} bytes end before the first window at {windows_at}")
    metadata = _read_metadata(data[_HEADER.size : index_at])
    spans = _window_spans(data, struct.unpack_from(f"<{header.n_windows}I", data, index_at), windows_at)
    packets = [_packet_at(data, index, span) for index, span in enumerate(spans)]
    _check_packets(header, packets)
    if header.flags & _FLAG_FOOTER:
        _check_footer(data, spans, packets)
    digital = np.concatenate([decode_packet(packet) for packet in packets], axis=1)
    noise_bits = max(packet.noise_bits for packet in packets)
    expected = metadata.get("signal_sha256")
    if noise_bits == 0 and isinstance(expected, str) and signal_sha256(digital) != expected:
        raise CrcMismatch("metadata signal_sha256: differs from the decoded samples")
    if digital.min() >= -(1 << 31) and digital.max() < 1 << 31:
        digital = digital.astype(np.int32)
    return LmlFile(
        digital=digital,
        rate_hz=_rate(header.rate_mhz, metadata),
        bit_depth=header.bit_depth,
        metadata=metadata,
        noise_bits=noise_bits,
        window_size=header.window_size,
        n_windows=header.n_windows,
        has_footer=bool(header.flags & _FLAG_FOOTER),
        legacy_crc=any(packet.legacy_crc for packet in packets),
    )


def _read_container_header(data: bytes) -> _Header:
    if len(data) < _HEADER.size:
        raise Truncated(f"file: {len(data)} bytes, the header alone has {_HEADER.size}")
    magic, major, _minor, *rest = _HEADER.unpack_from(data)
    if magic != MAGIC:
        if magic[:3] == b"LML" and magic[3:].isdigit():
            raise Unsupported(f"file magic: {magic!r}; this reader knows {MAGIC!r}")
        raise BadHeader(f"file magic: {magic!r} is not {MAGIC!r}")
    if major != 1:
        raise Unsupported(f"ver_major: {major}; this reader knows 1")
    header = _Header(*rest[:8])
    for name, value, high in (
        ("n_channels", header.n_channels, MAX_CHANNELS),
        ("n_windows", header.n_windows, 65535),
        ("total_samples", header.total, _MAX_U32),
        ("sample_rate_mhz", header.rate_mhz, _MAX_U32),
    ):
        if not 1 <= value <= high:
            raise BadHeader(f"{name}: {value} is not in 1..{high}")
    if header.n_metadata > MAX_METADATA:
        raise BadHeader(f"metadata_length: {header.n_metadata} exceeds {MAX_METADATA}")
    return header


def _read_metadata(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadHeader(f"metadata: not UTF-8 JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadHeader(f"metadata: a JSON object is needed, got {type(value).__name__}")
    return value


def _window_spans(data: bytes, offsets: tuple[int, ...], windows_at: int) -> list[tuple[int, int]]:
    """(absolute offset of the length prefix, packet bytes) per window; spans may not overlap."""
    spans = []
    floor = windows_at
    for index, offset in enumerate(offsets):
        at = windows_at + offset
        if at < floor:
            raise BadHeader(f"window index {index}: offset {offset} overlaps the window before it")
        if at + 4 > len(data):
            raise Truncated(f"window {index}: starts at byte {at} of {len(data)}")
        (length,) = struct.unpack_from("<I", data, at)
        floor = at + 4 + length
        if floor > len(data):
            raise Truncated(f"window {index}: ends at byte {floor} of {len(data)}")
        spans.append((at, length))
    return spans


def _packet_at(data: bytes, index: int, span: tuple[int, int]) -> PacketHeader:
    at, length = span
    try:
        return read_header(data[at + 4 : at + 4 + length])
    except LmlError as error:
        raise type(error)(f"window {index}: {error}") from error


def _check_packets(header: _Header, packets: list[PacketHeader]) -> None:
    for index, packet in enumerate(packets):
        if packet.n_channels != header.n_channels:
            raise BadHeader(f"window {index}: {packet.n_channels} channels, the file has {header.n_channels}")
    total = sum(packet.n_samples for packet in packets)
    if total != header.total:
        raise BadHeader(f"total_samples: {header.total}, the windows hold {total}")


def _check_footer(data: bytes, spans: list[tuple[int, int]], packets: list[PacketHeader]) -> None:
    end = spans[-1][0] + 4 + spans[-1][1]
    n_table = _ENTRY.size * len(spans)
    if len(data) < end + n_table + _FOOTER.size or data[-_FOOTER.size :][:8] != _FOOTER_MAGIC:
        raise Truncated("footer: announced in the header, not present at the end of the file")
    _magic, length, n_windows, crc, table_at = _FOOTER.unpack(data[-_FOOTER.size :])
    if (length, n_windows, table_at) != (_FOOTER.size, len(spans), len(data) - _FOOTER.size - n_table):
        raise BadHeader(
            f"footer: length {length}, {n_windows} windows, table at {table_at} contradict the file"
        )
    table = data[table_at : -_FOOTER.size]
    if crc != zlib.crc32(table + data[-_FOOTER.size :][:16]) ^ 0xFFFFFFFF:
        raise CrcMismatch(f"footer crc: stored {crc:08x} does not match the table")
    first = 0
    entries = _ENTRY.iter_unpack(table)
    for index, ((at, n_bytes), packet, entry) in enumerate(zip(spans, packets, entries, strict=True)):
        if entry != (at, n_bytes + 4, first):
            raise BadHeader(f"footer entry {index}: {entry} is not {(at, n_bytes + 4, first)}")
        first += packet.n_samples


def _rate(rate_mhz: int, metadata: dict[str, Any]) -> float:
    """The exact rate from the metadata when it rounds to the header's 1/1000 Hz, else the header's."""
    exact = metadata.get("sample_rate")
    if isinstance(exact, int | float) and math.isfinite(exact) and round(exact * 1000) == rate_mhz:
        return float(exact)
    return rate_mhz / 1000
