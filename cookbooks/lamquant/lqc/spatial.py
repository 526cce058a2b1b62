"""Chooses, codes and applies what is done to channels together, band by band.

Coefficients y [C, F, K], each channel in its own steps, become planes: in each band of bins an orthonormal
matrix, a product of rotations, mixes the channels. A band goes on from the matrix of the one below, or starts
anew, whichever costs less. No rotations at all is "off", and costs a few bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.errors import PayloadError
from cookbooks.lamquant.lqc.rotations import (
    MOST_ANGLE,
    Rotations,
    apply_matrix,
    backwards,
    find_rotations,
    in_rounds,
    turn,
)
from cookbooks.lamquant.lqc.side import SideReader, SideWriter, folded, unfolded

NOISE = 0.09
"""Variance, in squared steps, up to which a coefficient costs no bits."""
LEAST_COST = 4.0
"""Bits that a rotation must save of the coefficients that it is found in: less is what chance finds."""
_ANGLE_BITS = 6.0
_SHARE_OF_COST = 0.65
"""Rotations save more than is estimated: less error, and planes that are easier to predict."""
LINEAR_HZ = 30.0
"""Bands are about equally wide below, and in proportion to their frequency above."""
BAND_COUNTS = (1, 8, 16, 32)
_COUNTS_BESIDE = (1, 8)
_WORTH = 0.985
"""Bits are estimated to within a few percent: a plan must save more than this leaves."""
_FITS = 0.95
"""A group's plan that saves a chunk less, or is bettered by more, is compared with one of the chunk alone."""
_PATCH_FRAMES, _PATCH_BINS = 16, 2
_COUNT, _START, _NUMBER, _FIRST, _SECOND, _ANGLE = range(8, 14)
MAX_TOGETHER = 1024
"""More channels than these are left alone."""
_MANY_FRAMES = 1 << 20
_TWICE = 128
"""Of more channels every band but the first goes on from the one below: a second search takes too long."""
_NONE = np.empty((0, 3), np.int32)


@dataclass(frozen=True)
class Band:
    """Holds the rotations of one band; ``goes_on`` says that they follow those of the band below."""

    goes_on: bool
    rotations: Rotations


@dataclass(frozen=True)
class RotationPlan:
    """Holds what is done to channels together; no bands: nothing."""

    bands: tuple[Band, ...] = ()

    @property
    def n_rotations(self) -> int:
        """Returns the rotations of all bands."""
        return sum(len(band.rotations) for band in self.bands)


@dataclass(frozen=True)
class Mixing:
    """Holds what is done to the channels of one chunk: by its group's plan or not, then by one of its own."""

    shared: bool
    own: RotationPlan


def band_edges(hop: int, rate_hz: float, count: int) -> list[int]:
    """Returns the bins at which bands begin, and ``hop``; ``count`` bands, or fewer if bins are few."""
    top = rate_hz / 2
    scale = np.arange(1, count) * np.log1p(top / LINEAR_HZ) / count
    inner = np.rint(np.expm1(scale) * LINEAR_HZ * hop / top).astype(int).tolist()
    return sorted({0, *inner, hop} if hop > 1 else {0, 1})


def _apply(y: NDArray[np.float32], plan: RotationPlan, rate_hz: float, inverse: bool) -> NDArray[np.float32]:
    if not plan.n_rotations:
        return y
    edges, out = band_edges(y.shape[2], rate_hz, len(plan.bands)), np.empty_like(y)
    chain = _NONE
    for band, low, high in zip(plan.bands, edges[:-1], edges[1:], strict=True):
        chain = np.concatenate([chain, band.rotations]) if band.goes_on else band.rotations
        part = y[:, :, low:high].copy()
        out[:, :, low:high] = _turned(part.reshape(len(y), -1), chain, inverse).reshape(part.shape)
    return out


def _turned(rows: NDArray[np.float32], chain: Rotations, inverse: bool) -> NDArray[np.float32]:
    """Returns rows [C, n] after all rotations, by whichever of two ways takes fewer operations."""
    if 4 * len(chain) < len(rows) ** 2:
        turn(rows, backwards(chain) if inverse else chain)
        return rows
    matrix = np.eye(len(rows))
    turn(matrix, chain)
    out = np.empty_like(rows)
    apply_matrix(np.ascontiguousarray(matrix.T if inverse else matrix, np.float32), rows, out)
    return out


def together(y: NDArray[np.float32], plan: RotationPlan, rate_hz: float) -> NDArray[np.float32]:
    """Returns the planes [C, F, K] of channels y [C, F, K]."""
    return _apply(y, plan, rate_hz, False)


def apart(planes: NDArray[np.float32], plan: RotationPlan, rate_hz: float) -> NDArray[np.float32]:
    """Returns the channels [C, F, K] of planes."""
    return _apply(planes, plan, rate_hz, True)


def _bits(covariance: NDArray[np.float64], n: int, rotations: Rotations, cost: float) -> float:
    variances = np.maximum(np.diag(covariance), 0)
    return 0.5 * n * float(np.log2(variances + NOISE).sum()) + cost * (1 + len(rotations))


def plan_for(y: NDArray[np.float32], rate_hz: float, uses: float = 1.0) -> RotationPlan:
    """Choose what to do to channels y [C, F, K] together, by an estimate of the bits.

    Of several numbers of bands the one with the least estimate is taken, and nothing where little is saved.
    A plan that is sent once for ``uses`` times as many frames as y has may be the more detailed.
    """
    return _choose(y, rate_hz, uses, BAND_COUNTS)[0]


def _choose(
    y: NDArray[np.float32], rate_hz: float, uses: float, counts: Sequence[int]
) -> tuple[RotationPlan, float]:
    """Returns a plan and the bits with it; not ``RotationPlan()`` only where that saves a share of them."""
    channels, _, hop = y.shape
    best, alone = RotationPlan(), float(bits_of(y))
    least = alone * _WORTH
    if not 1 < channels <= MAX_TOGETHER:
        return best, alone
    cost = float(np.log2(channels * (channels - 1) / 2) + _ANGLE_BITS) / uses
    for count in counts:
        edges = band_edges(hop, rate_hz, count)
        if len(edges) != count + 1 or (count > 1 and y[0].size < count * channels):
            break
        plan = RotationPlan(tuple(_plan_bands(y, edges, max(_SHARE_OF_COST * cost, LEAST_COST))))
        bits = bits_of(together(y, plan, rate_hz)) + plan.n_rotations * cost + 4 * count / uses
        if bits < least:
            best, least = plan, bits
    return best, least if best.bands else alone


def mixing_for(y: NDArray[np.float32], rate_hz: float, shared: RotationPlan) -> Mixing:
    """Choose whether channels y [C, F, K] of a chunk go by the group's plan, and what is done beside."""
    if not shared.bands:
        return Mixing(False, plan_for(y, rate_hz))
    planes = together(y, shared, rate_hz)
    own, bits = _choose(planes, rate_hz, 1.0, _COUNTS_BESIDE)
    alone, bits_alone = RotationPlan(), bits_of(y)
    if bits > _FITS * bits_alone or bits < _FITS * bits_of(planes):
        alone, bits_alone = _choose(y, rate_hz, 1.0, BAND_COUNTS)
    return Mixing(True, own) if bits < bits_alone else Mixing(False, alone)


@jit
def bits_of(planes):
    """Estimate the bits of planes float32 [P, F, K], each small patch of which has a variance of its own.

    A context model follows a signal's strength about so closely: over a chunk's mean, what is loud for a
    moment only would count too much.
    """
    size, frames, width = planes.shape
    bits = 0.0
    for p in range(size):
        for f in range(0, frames, _PATCH_FRAMES):
            last = min(f + _PATCH_FRAMES, frames)
            for k in range(0, width, _PATCH_BINS):
                end, energy = min(k + _PATCH_BINS, width), 0.0
                for t in range(f, last):
                    for i in range(k, end):
                        energy += planes[p, t, i] * planes[p, t, i]
                n = (last - f) * (end - k)
                bits += 0.5 * n * np.log2(1.0 + energy / (n * NOISE))
    return bits


def _plan_bands(y: NDArray[np.float32], edges: list[int], cost: float) -> list[Band]:
    channels = len(y)
    bands, matrix = [], np.eye(channels)
    for low, high in pairwise(edges):
        part = np.ascontiguousarray(y[:, :, low:high]).reshape(channels, -1)
        n = part.shape[1]
        other = matrix.astype(np.float32) @ part
        on = (other @ other.T).astype(np.float64) / n
        second = find_rotations(on, n, NOISE, cost, _most(channels, n))
        bits_on, bits_anew, first = _bits(on, n, second, cost), np.inf, second
        if low == 0 or channels <= _TWICE:
            anew = (part @ part.T).astype(np.float64) / n
            first = find_rotations(anew, n, NOISE, cost, _most(channels, n))
            bits_anew = _bits(anew, n, first, cost)
        on_is_better = bits_on <= bits_anew
        band = Band(on_is_better, in_rounds(second if on_is_better else first, channels))
        if not band.goes_on:
            matrix = np.eye(channels)
        turn(matrix, band.rotations)
        bands.append(band)
    return bands


def _most(n_channels: int, n: int) -> int:
    """Returns how many rotations a band of n coefficients a channel may have: more cannot pay."""
    return min(64 * n_channels, n * n_channels // 8)


def put_plan(side: SideWriter, plan: RotationPlan, n_channels: int) -> None:
    """Append a plan to what stands beside the coefficients."""
    side.put(_COUNT, len(plan.bands))
    for band in plan.bands:
        side.put(_START, int(band.goes_on))
        side.put(_NUMBER, len(band.rotations))
        side.put(_FIRST, np.diff(band.rotations[:, 0], prepend=0) % n_channels)
        side.put(_SECOND, band.rotations[:, 1] - band.rotations[:, 0] - 1)
        side.put(_ANGLE, folded(band.rotations[:, 2]))


def take_plan(side: SideReader, shape: tuple[int, int, int], rate_hz: float) -> RotationPlan:
    """Returns the plan that stands next, of coefficients of this shape [C, F, K].

    Raises:
        PayloadError: it cannot be one of them.
    """
    channels, frames, hop = shape
    count = int(side.take(_COUNT, 1)[0])
    edges = band_edges(hop, rate_hz, min(count, hop))
    if count and (len(edges) != count + 1 or not 1 < channels <= MAX_TOGETHER):
        raise PayloadError(f"channels together: {count} bands of {channels} x {hop}: the chunk is damaged")
    bands = []
    for low, high in pairwise(edges) if count else ():
        goes_on, number = bool(side.take(_START, 1)[0]), int(side.take(_NUMBER, 1)[0])
        if number > _most(channels, frames * (high - low)):
            raise PayloadError(f"channels together: {number} rotations in a band: the chunk is damaged")
        first = np.cumsum(side.take(_FIRST, number)) % channels
        second = first + 1 + side.take(_SECOND, number)
        angle = unfolded(side.take(_ANGLE, number))
        if number and (second.max() >= channels or np.abs(angle).max() > MOST_ANGLE):
            raise PayloadError("channels together: a rotation of none of the channels: the chunk is damaged")
        bands.append(Band(goes_on, np.stack([first, second, angle], 1).astype(np.int32)))
    return RotationPlan(tuple(bands))


def pack_plan(plan: RotationPlan, n_channels: int) -> bytes:
    """Returns a plan that all chunks of a group may use, as bytes; none for nothing."""
    side = SideWriter()
    put_plan(side, plan, n_channels)
    return side.pack() if plan.bands else b""


def unpack_plan(data: bytes, n_channels: int, hop: int, rate_hz: float) -> RotationPlan:
    """Returns what ``pack_plan`` was given.

    Raises:
        PayloadError: it cannot be a plan of so many channels and bins.
    """
    return take_plan(SideReader(data), (n_channels, _MANY_FRAMES, hop), rate_hz) if data else RotationPlan()
