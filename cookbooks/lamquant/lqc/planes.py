"""Turns planes of coefficients into bytes and back.

The bytes: of each plane how many bins are coded (a variable-length integer; those above are zero), then the
range coder's. Nothing else is needed beside ``PlaneSpec`` and the probability model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.adaptive import code_planes, mixed_positions
from cookbooks.lamquant.lqc.entropy import (
    EntropyModel,
    Planes,
    PlaneSpec,
    choose_static,
    choose_trellis,
    used_bins,
)
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.range_coder import finish, new_encoder, start_decoder
from cookbooks.lamquant.lqc.static import read_static, write_static
from cookbooks.lamquant.lqc.varint import Cursor, put

Profile = Literal["device", "full"]
PROFILES: tuple[Profile, ...] = ("device", "full")
_LIMIT, _RATE = 250, 8
"""How many observations a counter of the full profile averages over, and how fast the weights adapt."""


Integers = NDArray[np.int32]


@dataclass(frozen=True)
class CodedPlanes:
    """Holds coded planes: ``recon`` float32 [P, F, K] (in steps) is what decoding ``data`` gives.

    ``chosen`` are the integers of planes that are not written yet.
    """

    data: bytes
    recon: NDArray[np.float32]
    chosen: Integers | None = None


def _check(shape: tuple[int, ...], spec: PlaneSpec, profile: str) -> None:
    if profile not in PROFILES:
        raise InputError(f"profile={profile!r}: must be one of {', '.join(PROFILES)}")
    expected = (len(spec.levels), len(spec.offsets), spec.hop)
    if shape != expected:
        raise InputError(f"planes of shape {shape} do not fit levels, offsets and hop: {expected}")


def encode_planes(
    y: Planes,
    spec: PlaneSpec,
    entropy: EntropyModel,
    lam: float,
    profile: Profile,
    *,
    dry: bool = False,
    chosen: Integers | None = None,
) -> CodedPlanes:
    """Quantise and code planes y [P, F, K] (in steps); ``lam`` is the price of a bit in squared steps.

    ``dry`` writes no bytes, in a third of the time; the error of what is returned is that of decoding to
    within a few thousandths. ``chosen`` are the integers that it returned for the same planes: they are
    written as they are.

    Raises:
        InputError: an unknown profile, shapes that do not fit, or values that are not finite.
    """
    _check(y.shape, spec, profile)
    if not np.isfinite(y).all():
        raise InputError("planes hold values that are not finite: remove them before coding")
    y = np.ascontiguousarray(y, np.float32)
    if profile == "device":
        return _encode_device(y, spec, entropy, lam, dry)
    if chosen is not None:
        return _write_full(chosen, spec, entropy)
    recon = np.zeros(y.shape, np.float32)
    q, _ = choose_trellis(y, spec, entropy.net, entropy.prices, lam, entropy.mixture.centroids, recon)
    return CodedPlanes(b"", recon, q) if dry else _write_full(q, spec, entropy)


def _encode_device(y: Planes, spec: PlaneSpec, entropy: EntropyModel, lam: float, dry: bool) -> CodedPlanes:
    q, tables, bits = choose_static(y, spec, entropy.net, entropy.starts, lam)
    if dry:
        return CodedPlanes(b"", q.astype(np.float32))
    bins = used_bins(q, 1)
    room = int(bits * 1.01 / 8) + 64
    while True:
        state, out = new_encoder(), np.empty(room, np.uint8)
        write_static(state, out, q, tables, bins, entropy.starts)
        size = int(finish(state, out))
        if size <= room:
            return CodedPlanes(_head(bins) + out[:size].tobytes(), q.astype(np.float32))
        room = size


def _write_full(q: Integers, spec: PlaneSpec, entropy: EntropyModel) -> CodedPlanes:
    bins, room = used_bins(q, 1), q.size // 4 + 1024
    while True:
        state, out, recon = new_encoder(), np.empty(room, np.uint8), np.zeros(q.shape, np.float32)
        _code(False, state, out, q, recon, spec, bins, entropy)
        size = int(finish(state, out))
        if size <= room:
            return CodedPlanes(_head(bins) + out[:size].tobytes(), recon)
        room = size


def _code(
    decoding: bool, state: NDArray[np.int64], data: NDArray[np.uint8], q: NDArray[np.int32],
    recon: NDArray[np.float32], spec: PlaneSpec, bins: NDArray[np.int64], entropy: EntropyModel,
) -> None:  # fmt: skip
    code_planes(
        decoding, state, data, q, recon, np.zeros((0, 0, 0), np.int16), spec.levels, spec.offsets, bins,
        entropy.net.base(spec.hop, spec.rate_hz), entropy.net, entropy.mixture.copy(),
        mixed_positions(spec.hop, spec.rate_hz), _LIMIT, _RATE,
    )  # fmt: skip


def decode_planes(
    data: bytes, shape: tuple[int, int, int], spec: PlaneSpec, entropy: EntropyModel, profile: Profile
) -> NDArray[np.float32]:
    """Returns planes float32 [P, F, K], in steps.

    Damaged bytes give other values where the damage cannot be told.

    Raises:
        InputError: an unknown profile, or a shape that does not fit ``spec``.
        PayloadError: more bins are said to be coded than there are, or the bytes end before that is said.
    """
    _check(shape, spec, profile)
    cursor = Cursor(data)
    bins = np.array([cursor.take(f"bins of plane {p}", shape[2]) for p in range(shape[0])], np.int64)
    body = np.frombuffer(data, np.uint8).copy()  # compiled code takes one kind of array for both ways
    if profile == "full":
        q, recon = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        _code(True, start_decoder(body, cursor.at), body, q, recon, spec, bins, entropy)
        return recon
    base, net = entropy.net.base(spec.hop, spec.rate_hz), entropy.net
    q = read_static(body, cursor.at, *shape[1:], spec.levels, spec.offsets, bins, base, net, entropy.starts)
    return q.astype(np.float32)


def bytes_until(
    data: bytes, shape: tuple[int, int, int], spec: PlaneSpec, entropy: EntropyModel, frames: Sequence[int]
) -> list[int]:
    """Returns how many bytes of coded planes, of profile ``full``, a decoder has read after so many frames.

    It reads a few bytes ahead, the same number each time.
    """
    _check(shape, spec, "full")
    cursor = Cursor(data)
    bins = np.array([cursor.take(f"bins of plane {p}", shape[2]) for p in range(shape[0])], np.int64)
    body, read = np.frombuffer(data, np.uint8).copy(), list[int]()
    for count in frames:
        part = replace(spec, offsets=spec.offsets[:count])
        size = (shape[0], count, shape[2])
        q, recon = np.zeros(size, np.int32), np.zeros(size, np.float32)
        state = start_decoder(body, cursor.at)
        _code(True, state, body, q, recon, part, bins, entropy)
        read.append(min(int(state[2]), len(data)))
    return read


def _head(bins: NDArray[np.int64]) -> bytes:
    out = bytearray()
    for count in bins.tolist():
        put(out, count)
    return bytes(out)
