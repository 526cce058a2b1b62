"""Packs one LML1 window: text line, 22-byte header, prediction meta, Golomb-Rice payload.

Layout (published LML format 1, section 3)::

    "LML | {C}ch | lossless|noise | CRC-32\\n"
    "LML1" u16 C, u16 T, u8 depth, u8 flags, u32 meta bytes, u32 payload bytes, u32 crc32
    meta     per channel and subband: u8 order, order x i32 (Q27)
    payload  per channel and subband: u8 k, u16 count, MSB-first Golomb-Rice, byte padded
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cookbooks.lamquant.formats.lml import kernel
from cookbooks.lamquant.formats.lml.decode_kernel import decode_channels, differing_channel
from cookbooks.lamquant.formats.lml.encode_kernel import RAW, WELCH, choose, pyramid, write_band
from cookbooks.lamquant.formats.lml.errors import BadHeader, CrcMismatch, Truncated, Unsupported

MAGIC = b"LML1"
MAX_CHANNELS = 1024
MAX_WINDOW = 65535
MAX_PAYLOAD = 1 << 28
MAX_DEPTH = 16  # 2**16 samples: a deeper lifting has nothing left to split
_PREFIX_LIMIT = 512
_HEADER = struct.Struct("<4sHHBBIII")
SHAPE_BYTES = _PREFIX_LIMIT + _HEADER.size
"""Bytes at the start of a packet that tell what it announces."""
_FLAG_CODEC_TAG = 1
_FLAG_NEAR_LOSSLESS = 2
_NOISE_SHIFT = 2

_STATUS = {
    kernel.SHORT: (Truncated, "a subband runs past the end of the packet"),
    kernel.BAD_ORDER: (BadHeader, f"prediction order above {kernel.MAX_ORDER}"),
    kernel.BAD_RICE: (BadHeader, f"Golomb-Rice parameter above {kernel.MAX_RICE}"),
    kernel.LEFT_OVER: (BadHeader, "bytes left over after the last channel"),
    kernel.BAD_COUNT: (BadHeader, "subband length differs from what n_samples and depth give"),
}


@dataclass(frozen=True)
class PacketShape:
    """Describes what a packet announces; ``body`` is where its meta begins."""

    n_channels: int
    n_samples: int
    depth: int
    noise_bits: int
    body: int
    n_meta: int
    n_payload: int


@dataclass(frozen=True)
class PacketHeader:
    """Holds a packet whose CRC has been verified."""

    shape: PacketShape
    meta: np.ndarray
    payload: np.ndarray
    legacy_crc: bool


@dataclass(frozen=True)
class Effort:
    """Says how hard the encoder searches.

    ``depth`` fixes the lifting depth; 3 is what other encoders write and so what other readers have seen.
    None tries 0..3 and keeps the smallest, which the packet header allows. ``trials`` predictors per
    analysis window are counted exactly.
    """

    depth: int | None = 3
    max_order: int = 16
    trials: int = 2

    def __post_init__(self) -> None:
        if self.depth is not None and not 0 <= self.depth <= 3:
            raise ValueError(f"depth: {self.depth} is not in 0..3 or None")
        if not 1 <= self.max_order <= kernel.MAX_ORDER:
            raise ValueError(f"max_order: {self.max_order} is not in 1..{kernel.MAX_ORDER}")
        if self.trials < 1:
            raise ValueError(f"trials: {self.trials} is below 1")


def nominal_depth(n_samples: int) -> int:
    """Returns three lifting levels, fewer when the approximation would fall below four samples."""
    depth = 3
    while depth > 0 and (n_samples >> depth) < 4:
        depth -= 1
    return depth


def encode_packet(signal: np.ndarray, *, noise_bits: int = 0, effort: Effort | None = None) -> bytes:
    """Encode one window.

    Args:
        signal: int64 [C, T], C in 1..1024, T in 1..65535, values within int32.
        noise_bits: low bits dropped before coding (0 keeps the signal exact).
        effort: search limits.

    Raises:
        ValueError: if the packet would exceed the format's payload limit.
    """
    effort = effort or Effort()
    n_channels, n_samples = signal.shape
    rows = np.ascontiguousarray(signal >> noise_bits, dtype=np.int64)
    deepest = nominal_depth(n_samples)
    depths = range(deepest + 1) if effort.depth is None else [min(effort.depth, deepest)]
    channels = [_analyse(row, depths, effort) for row in rows]
    # of equal sizes the deepest
    depth = min(depths, key=lambda level: (sum(_bits(bands, level) for bands in channels), -level))
    buffer = np.empty(16 * n_samples + 64, np.uint8)
    metas, payloads = [], []
    for bands in channels:
        used = 0
        for band in _wire_order(bands, depth):
            metas.append(bytes([band.order]) + band.coeffs[: band.order].astype("<i4").tobytes())
            used = write_band(band.samples, band.coeffs, band.order, buffer, used)
        payloads.append(buffer[:used].tobytes())
    meta, payload = b"".join(metas), b"".join(payloads)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(
            f"window_s: {len(payload)} payload bytes in one window exceed {MAX_PAYLOAD}; shorten it"
        )
    return _frame(n_channels, n_samples, depth, noise_bits, meta, payload)


def _frame(
    n_channels: int, n_samples: int, depth: int, noise_bits: int, meta: bytes, payload: bytes
) -> bytes:
    mode = "noise" if noise_bits else "lossless"
    head = struct.pack(
        "<HHBBII", n_channels, n_samples, depth, noise_bits << _NOISE_SHIFT, len(meta), len(payload)
    )
    crc = zlib.crc32(payload, zlib.crc32(meta, zlib.crc32(head)))
    line = f"LML | {n_channels}ch | {mode} | CRC-32\n".encode("ascii")
    return b"".join([line, MAGIC, head, struct.pack("<I", crc), meta, payload])


@dataclass(frozen=True)
class _Band:
    samples: np.ndarray
    order: int
    bits: int
    coeffs: np.ndarray


_Key = tuple[str, int]  # ("approx", depth) or ("detail", level)


def _wire_order(bands: dict[_Key, _Band], depth: int) -> list[_Band]:
    return [bands["approx", depth], *(bands["detail", level] for level in range(depth, 0, -1))]


def _bits(bands: dict[_Key, _Band], depth: int) -> int:
    return sum(band.bits for band in _wire_order(bands, depth))


def _analyse(row: np.ndarray, depths: Sequence[int], effort: Effort) -> dict[_Key, _Band]:
    """Returns every subband that one of ``depths`` needs, with its predictor and exact coded size."""
    buffer = pyramid(row, depths[-1])
    bands: dict[_Key, _Band] = {}
    n, at, end = row.size, 0, row.size
    for level in range(depths[-1] + 1):
        if level > 0:
            n, n_detail, at = n - n // 2, n // 2, end
            end = at + n + n_detail
            bands["detail", level] = _choose(buffer[at + n : end], RAW | WELCH, effort)
        if level in depths:
            # the signal itself gains nothing from a second window
            bands["approx", level] = _choose(buffer[at : at + n], RAW | WELCH if level else WELCH, effort)
    return bands


def _choose(samples: np.ndarray, windows: int, effort: Effort) -> _Band:
    coeffs = np.zeros(kernel.MAX_ORDER, np.int32)
    order, bits = choose(samples, windows, effort.max_order, effort.trials, coeffs)
    return _Band(samples, order, bits, coeffs)


def read_shape(start: bytes, size: int) -> PacketShape:
    """Returns what a packet of ``size`` bytes announces; ``start`` is its first `SHAPE_BYTES`, or all of it.

    The checksum is not looked at.

    Raises:
        LmlError: Truncated, BadHeader or Unsupported.
    """
    at = start.find(b"\nLML", 0, _PREFIX_LIMIT) + 1
    if at == 0:
        raise (Truncated if size < _PREFIX_LIMIT else BadHeader)("packet: no text line before the header")
    body = at + _HEADER.size
    if size < body:
        raise Truncated(f"packet: {size} bytes end inside the header")
    magic, n_channels, n_samples, depth, flags, n_meta, n_payload, _crc = _HEADER.unpack_from(start, at)
    if magic != MAGIC:
        raise BadHeader(f"packet magic: {magic!r} is not {MAGIC!r}")
    if n_meta + n_payload > size - body:
        raise Truncated(f"packet: {n_meta + n_payload} body bytes announced, {size - body} present")
    _check_shape(n_channels, n_samples, depth, flags, n_payload)
    return PacketShape(n_channels, n_samples, depth, flags >> _NOISE_SHIFT, body, n_meta, n_payload)


def read_header(packet: bytes) -> PacketHeader:
    """Parse a packet and verify its CRC in the modern, then the older scope.

    Raises:
        LmlError: Truncated, BadHeader, CrcMismatch or Unsupported.
    """
    shape = read_shape(packet, len(packet))
    body, split = shape.body, shape.body + shape.n_meta
    end = split + shape.n_payload
    (crc,) = struct.unpack_from("<I", packet, body - 4)
    legacy = _verify_crc(packet[body - 18 : body - 4], packet[body:end], crc)
    data = np.frombuffer(packet, np.uint8)
    return PacketHeader(shape, data[body:split], data[split:end], legacy)


def _verify_crc(head: bytes, body: bytes, stored: int) -> bool:
    """Returns True when only the older scope (without the header) matches."""
    if zlib.crc32(body, zlib.crc32(head)) == stored:
        return False
    if zlib.crc32(body) == stored:
        return True
    raise CrcMismatch(f"packet crc32: stored {stored:08x} matches neither scope")


def _check_shape(n_channels: int, n_samples: int, depth: int, flags: int, n_payload: int) -> None:
    if flags & _FLAG_NEAR_LOSSLESS:
        raise Unsupported("packet flags bit 1: near-lossless packets are not implemented")
    if flags & _FLAG_CODEC_TAG:
        raise Unsupported("packet flags bit 0: per-subband codec tags are not implemented")
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise BadHeader(f"packet n_channels: {n_channels} is not in 1..{MAX_CHANNELS}")
    if n_samples < 1:
        raise BadHeader("packet n_samples: 0")
    if depth > MAX_DEPTH:
        raise BadHeader(f"packet n_levels: {depth} is above {MAX_DEPTH}")
    # every value costs a bit at least: bounds what a small file can make the reader allocate
    if n_channels * n_samples > 8 * n_payload:
        raise BadHeader(f"packet: {n_channels} x {n_samples} values cannot fit {n_payload} payload bytes")


def decode_packet(header: PacketHeader) -> np.ndarray:
    """Decode a verified packet to int64 [C, T].

    Raises:
        LmlError: Truncated or BadHeader when meta or payload contradict the header.
    """
    shape = header.shape
    out = np.empty((shape.n_channels, shape.n_samples), np.int64)
    status = decode_channels(header.meta, header.payload, shape.depth, out)
    if status != kernel.OK:
        kind, text = _STATUS[status]
        raise kind(f"packet: {text}")
    return out << shape.noise_bits if shape.noise_bits else out


def decodes_to(packet: bytes, signal: np.ndarray) -> bool:
    """Says whether a packet decodes to ``signal``, int64 [C, T], the low bits that it dropped aside.

    Raises:
        LmlError: the packet cannot be read.
    """
    header = read_header(packet)
    noise_bits = header.shape.noise_bits
    if (header.shape.n_channels, header.shape.n_samples) != signal.shape:
        return False
    expected = signal >> noise_bits if noise_bits else signal
    return differing_channel(header.meta, header.payload, header.shape.depth, expected) < 0
