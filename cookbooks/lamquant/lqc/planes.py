"""Turns planes of coefficients into bytes and back.

The bytes: of each plane how many bins are coded (a variable-length integer; those above are zero), then the
range coder's. Nothing else is needed beside ``PlaneSpec`` and the probability model.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.entropy import EntropyModel, Planes, PlaneSpec, choose_static, used_bins
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.range_coder import finish, new_encoder
from cookbooks.lamquant.lqc.static import read_static, write_static

Profile = Literal["device", "full"]
PROFILES: tuple[Profile, ...] = ("device", "full")


@dataclass(frozen=True)
class CodedPlanes:
    """Holds coded planes: ``recon`` float32 [P, F, K] (in steps) is what decoding ``data`` gives."""

    data: bytes
    recon: NDArray[np.float32]


def _check(shape: tuple[int, ...], spec: PlaneSpec, profile: str) -> None:
    if profile not in PROFILES:
        raise LqcError(f"profile={profile!r}: must be one of {', '.join(PROFILES)}")
    expected = (len(spec.levels), len(spec.offsets), spec.hop)
    if shape != expected:
        raise LqcError(f"planes of shape {shape} do not fit levels, offsets and hop: {expected}")


def encode_planes(
    y: Planes, spec: PlaneSpec, entropy: EntropyModel, lam: float, profile: Profile
) -> CodedPlanes:
    """Quantise and code planes y [P, F, K] (in steps); ``lam`` is the price of a bit in squared steps.

    Raises:
        LqcError: an unknown profile, shapes that do not fit, or values that are not finite.
    """
    _check(y.shape, spec, profile)
    if not np.isfinite(y).all():
        raise LqcError("planes hold values that are not finite: remove them before coding")
    q, tables, bits = choose_static(np.ascontiguousarray(y, np.float32), spec, entropy, lam)
    bins = used_bins(q, 1)
    head = bytearray()
    for count in bins.tolist():
        _put(head, count)
    state, out = new_encoder(), np.empty(int(bits * 1.01 / 8) + 64, np.uint8)
    write_static(state, out, q, tables, bins, entropy.starts)
    size = int(finish(state, out))
    assert size <= len(out), "the range coder wrote more than the code length says"
    return CodedPlanes(bytes(head) + out[:size].tobytes(), q.astype(np.float32))


def decode_planes(
    data: bytes, shape: tuple[int, int, int], spec: PlaneSpec, entropy: EntropyModel, profile: Profile
) -> NDArray[np.float32]:
    """Returns planes float32 [P, F, K], in steps.

    Damaged bytes give other values where the damage cannot be told.

    Raises:
        LqcError: an unknown profile, a shape that does not fit ``spec``, more bins said to be coded than
            there are, or bytes that end before that is said.
    """
    _check(shape, spec, profile)
    bins, at = np.empty(shape[0], np.int64), 0
    for p in range(shape[0]):
        bins[p], at = _take(data, at)
        if bins[p] > shape[2]:
            raise LqcError(f"plane {p}: {bins[p]} bins are said to be coded, there are {shape[2]}")
    body, base = np.frombuffer(data, np.uint8), entropy.net.base(spec.hop, spec.rate_hz)
    q = read_static(
        body, at, shape[1], shape[2], spec.levels, spec.offsets, bins, base, entropy.net, entropy.starts
    )
    return q.astype(np.float32)


def _put(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _take(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 21, 7):
        if at >= len(data):
            raise LqcError("the bytes end before the numbers of bins: they are truncated")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise LqcError("a number of bins does not end: the bytes are damaged")
