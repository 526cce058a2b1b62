"""Chooses, codes and applies what is done to channels together, band by band.

Coefficients y [C, F, K], each channel in its own steps, become planes: in each band of bins an orthonormal
matrix, a product of rotations, mixes the channels. A band goes on from the matrix of the one below, or starts
anew, whichever costs less. No rotations at all is "off", and costs a few bits.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import PayloadError
from cookbooks.lamquant.lqc.rotations import (
    ANGLES,
    Rotations,
    apply_matrix,
    backwards,
    find_rotations,
    turn,
)
from cookbooks.lamquant.lqc.side import SideReader, SideWriter, folded, unfolded

NOISE = 0.12
"""Variance, in squared steps, up to which a coefficient costs no bits."""
LINEAR_HZ = 30.0
"""Bands are about equally wide below, and in proportion to their frequency above."""
BAND_COUNTS = (1, 8, 16, 32)
_COUNT, _START, _NUMBER, _FIRST, _SECOND, _ANGLE = range(8, 14)
MAX_TOGETHER = 1024
"""More channels than these are left alone."""
_NONE = np.empty((0, 3), np.int32)


@dataclass(frozen=True)
class Band:
    """Holds the rotations of one band; ``goes_on`` says that they follow those of the band below."""

    goes_on: bool
    rotations: Rotations


@dataclass(frozen=True)
class Plan:
    """Holds what is done to channels together; no bands: nothing."""

    bands: tuple[Band, ...] = ()


def band_edges(hop: int, rate_hz: float, count: int) -> list[int]:
    """Returns the bins at which bands begin, and ``hop``; ``count`` bands, or fewer if bins are few."""
    top = rate_hz / 2
    scale = np.arange(1, count) * np.log1p(top / LINEAR_HZ) / count
    inner = np.rint(np.expm1(scale) * LINEAR_HZ * hop / top).astype(int).tolist()
    return sorted({0, *inner, hop} if hop > 1 else {0, 1})


def _apply(y: NDArray[np.float32], plan: Plan, rate_hz: float, inverse: bool) -> NDArray[np.float32]:
    if not any(len(band.rotations) for band in plan.bands):
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


def together(y: NDArray[np.float32], plan: Plan, rate_hz: float) -> NDArray[np.float32]:
    """Returns the planes [C, F, K] of channels y [C, F, K]."""
    return _apply(y, plan, rate_hz, False)


def apart(planes: NDArray[np.float32], plan: Plan, rate_hz: float) -> NDArray[np.float32]:
    """Returns the channels [C, F, K] of planes."""
    return _apply(planes, plan, rate_hz, True)


def _bits(covariance: NDArray[np.float64], n: int, rotations: Rotations, cost: float) -> float:
    variances = np.maximum(np.diag(covariance), 0)
    return 0.5 * n * float(np.log2(variances + NOISE).sum()) + cost * (1 + len(rotations))


def plan_for(y: NDArray[np.float32], rate_hz: float) -> Plan:
    """Choose what to do to channels y [C, F, K] together, by a Gaussian estimate of the bits.

    Of several numbers of bands the one with the least estimate is taken, and nothing where that is least.
    """
    channels, _, hop = y.shape
    if not 1 < channels <= MAX_TOGETHER:
        return Plan()
    cost = float(np.log2(channels * (channels - 1) / 2) + np.log2(ANGLES) - 0.5)
    best, least = Plan(), bits_of(y)
    for count in BAND_COUNTS:
        edges = band_edges(hop, rate_hz, count)
        if len(edges) != count + 1:
            break
        plan = Plan(tuple(_plan_bands(y, edges, cost)))
        bits = bits_of(together(y, plan, rate_hz))
        bits += sum(len(band.rotations) for band in plan.bands) * cost + count * 4
        if bits < least:
            best, least = plan, bits
    return best


def bits_of(planes: NDArray[np.float32]) -> float:
    """Estimate the bits of planes [P, F, K] whose bins each have one variance."""
    energy = np.einsum("pfk,pfk->pk", planes, planes, dtype=np.float64) / planes.shape[1]
    return 0.5 * planes.shape[1] * float(np.log2(energy / NOISE + 1).sum())


def _plan_bands(y: NDArray[np.float32], edges: list[int], cost: float) -> list[Band]:
    channels = len(y)
    bands, matrix = [], np.eye(channels)
    for low, high in pairwise(edges):
        part = np.ascontiguousarray(y[:, :, low:high]).reshape(channels, -1)
        n = part.shape[1]
        covariance = (part @ part.T).astype(np.float64) / n
        anew, on = covariance.copy(), matrix @ covariance @ matrix.T
        first = find_rotations(anew, n, NOISE, cost, _most(channels, n))
        second = find_rotations(on, n, NOISE, cost, _most(channels, n))
        band = Band(False, first)
        if _bits(on, n, second, cost) <= _bits(anew, n, first, cost):
            band = Band(True, second)
        if not band.goes_on:
            matrix = np.eye(channels)
        turn(matrix, band.rotations)
        bands.append(band)
    return bands


def _most(n_channels: int, n: int) -> int:
    """Returns how many rotations a band of n coefficients a channel may have: more cannot pay."""
    return min(64 * n_channels, n * n_channels // 8)


def put_plan(side: SideWriter, plan: Plan) -> None:
    """Append a plan to what stands beside the coefficients."""
    side.put(_COUNT, len(plan.bands))
    for band in plan.bands:
        side.put(_START, int(band.goes_on))
        side.put(_NUMBER, len(band.rotations))
        side.put(_FIRST, band.rotations[:, 0])
        side.put(_SECOND, band.rotations[:, 1] - band.rotations[:, 0] - 1)
        side.put(_ANGLE, folded(band.rotations[:, 2]))


def take_plan(side: SideReader, shape: tuple[int, int, int], rate_hz: float) -> Plan:
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
        first = side.take(_FIRST, number)
        second = first + 1 + side.take(_SECOND, number)
        angle = unfolded(side.take(_ANGLE, number))
        if number and (second.max() >= channels or np.abs(angle).max() > ANGLES // 4):
            raise PayloadError("channels together: a rotation of none of the channels: the chunk is damaged")
        bands.append(Band(goes_on, np.stack([first, second, angle], 1).astype(np.int32)))
    return Plan(tuple(bands))
