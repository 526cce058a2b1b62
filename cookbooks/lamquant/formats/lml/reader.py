"""Read LML1 containers: every announced size is checked before it is used."""

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cookbooks.lamquant.formats.lml.errors import BadHeader, CrcMismatch, LmlError, Truncated, Unsupported
from cookbooks.lamquant.formats.lml.layout import (
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
from cookbooks.lamquant.formats.lml.packet import (
    MAGIC,
    MAX_CHANNELS,
    PacketHeader,
    decode_packet,
    read_header,
)

FREE_VALUES, VALUES_A_BYTE = 2**28, 4096
"""Values that any file may declare, and those that each of its bytes may stand for besides."""


@dataclass(frozen=True)
class LmlFile:
    """Holds a decoded recording.

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
    index_at = HEADER.size + header.n_metadata
    windows_at = index_at + 4 * header.n_windows
    if windows_at > len(data):
        raise Truncated(f"file: {len(data)} bytes end before the first window at {windows_at}")
    metadata = _read_metadata(data[HEADER.size : index_at])
    spans = _window_spans(data, struct.unpack_from(f"<{header.n_windows}I", data, index_at), windows_at)
    packets = [_packet_at(data, index, span) for index, span in enumerate(spans)]
    _check_packets(header, packets, len(data))
    if header.flags & FLAG_FOOTER:
        _check_footer(data, spans, packets)
    digital = _decode_windows(packets, header.n_channels, header.total)
    noise_bits = max(packet.noise_bits for packet in packets)
    expected = metadata.get("signal_sha256")
    if noise_bits == 0 and isinstance(expected, str) and signal_sha256(digital) != expected.lower():
        raise CrcMismatch("metadata signal_sha256: differs from the decoded samples")
    return LmlFile(
        digital=digital,
        rate_hz=_rate(header.rate_mhz, metadata),
        bit_depth=header.bit_depth,
        metadata=metadata,
        noise_bits=noise_bits,
        window_size=header.window_size,
        n_windows=header.n_windows,
        has_footer=bool(header.flags & FLAG_FOOTER),
        legacy_crc=any(packet.legacy_crc for packet in packets),
    )


def _read_container_header(data: bytes) -> _Header:
    if len(data) < HEADER.size:
        raise Truncated(f"file: {len(data)} bytes, the header alone has {HEADER.size}")
    magic, major, _minor, *rest = HEADER.unpack_from(data)
    if magic != MAGIC:
        if magic[:3] == b"LML" and magic[3:].isdigit():
            raise Unsupported(f"file magic: {magic!r}; this reader knows {MAGIC!r}")
        raise BadHeader(f"file magic: {magic!r} is not {MAGIC!r}")
    if major != 1:
        raise Unsupported(f"ver_major: {major}; this reader knows 1")
    header = _Header(*rest[:8])
    for name, value, high in (
        ("n_channels", header.n_channels, MAX_CHANNELS),
        ("n_windows", header.n_windows, MAX_U16),
        ("total_samples", header.total, MAX_U32),
        ("sample_rate_mhz", header.rate_mhz, MAX_U32),
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
    """Returns (absolute offset of the length prefix, packet bytes) per window; spans may not overlap."""
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


def _check_packets(header: _Header, packets: list[PacketHeader], n_bytes: int) -> None:
    for index, packet in enumerate(packets):
        if packet.n_channels != header.n_channels:
            raise BadHeader(f"window {index}: {packet.n_channels} channels, the file has {header.n_channels}")
    total = sum(packet.n_samples for packet in packets)
    if total != header.total:
        raise BadHeader(f"total_samples: {header.total}, the windows hold {total}")
    most = FREE_VALUES + VALUES_A_BYTE * n_bytes
    if total * header.n_channels > most:
        raise BadHeader(
            f"total_samples: {total} of {header.n_channels} channels in {n_bytes} bytes, which hold {most}"
            " values at most"
        )


def _decode_windows(packets: list[PacketHeader], n_channels: int, total: int) -> np.ndarray:
    """Decode all windows side by side: int32 until a value needs int64."""
    digital = np.empty((n_channels, total), np.int32)
    at = 0
    for index, packet in enumerate(packets):
        try:
            window = decode_packet(packet)
        except LmlError as error:
            raise type(error)(f"window {index}: {error}") from error
        if digital.dtype == np.int32 and not -(1 << 31) <= window.min() <= window.max() < 1 << 31:
            digital = digital.astype(np.int64)
        digital[:, at : at + packet.n_samples] = window
        at += packet.n_samples
    return digital


def _check_footer(data: bytes, spans: list[tuple[int, int]], packets: list[PacketHeader]) -> None:
    end = spans[-1][0] + 4 + spans[-1][1]
    n_table = ENTRY.size * len(spans)
    if len(data) < end + n_table + FOOTER.size or data[-FOOTER.size :][:8] != FOOTER_MAGIC:
        raise Truncated("footer: announced in the header, not present at the end of the file")
    _magic, length, n_windows, crc, table_at = FOOTER.unpack(data[-FOOTER.size :])
    if (length, n_windows, table_at) != (FOOTER.size, len(spans), len(data) - FOOTER.size - n_table):
        raise BadHeader(
            f"footer: length {length}, {n_windows} windows, table at {table_at} contradict the file"
        )
    table = data[table_at : -FOOTER.size]
    if crc != zlib.crc32(table + data[-FOOTER.size :][:16]) ^ 0xFFFFFFFF:
        raise CrcMismatch(f"footer crc: stored {crc:08x} does not match the table")
    first = 0
    entries = ENTRY.iter_unpack(table)
    for index, ((at, n_bytes), packet, entry) in enumerate(zip(spans, packets, entries, strict=True)):
        if entry != (at, n_bytes + 4, first):
            raise BadHeader(f"footer entry {index}: {entry} is not {(at, n_bytes + 4, first)}")
        first += packet.n_samples


def _rate(rate_mhz: int, metadata: dict[str, Any]) -> float:
    """Returns the exact rate from the metadata where present; the header keeps 1/1000 Hz only.

    The header is under no checksum, so a contradiction between the two is refused.
    """
    exact = metadata.get("sample_rate")
    if isinstance(exact, bool) or not isinstance(exact, int | float):
        return rate_mhz / 1000
    if not abs(exact * 1000 - rate_mhz) <= 1:  # also refuses NaN
        raise BadHeader(
            f"sample_rate_mhz: {rate_mhz} contradicts the metadata's sample_rate {str(exact)[:40]}"
        )
    return float(exact)
