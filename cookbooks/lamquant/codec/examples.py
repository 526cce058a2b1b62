"""Makes what the context network learns from: planes of crops, the integers they become, their contexts."""

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from cookbooks.lamquant.codec.augment import coloured
from cookbooks.lamquant.codec.data import Stream, WindowCorpus, draw_crop
from cookbooks.lamquant.lqc.context import N_FEATURES, IntegerNet, features_of
from cookbooks.lamquant.lqc.entropy import PlaneSpec, choose_static, used_bins
from cookbooks.lamquant.lqc.lapped import analyse, mirrored, n_frames
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE, duration_of, positions

HOPS = (32, 64, 128, 256, 512, 1024)
RATES_HZ = (100, 128, 160, 200, 250, 256, 500)
"""Rates that crops are resampled to, so that no usual one is a surprise."""
_RESAMPLED = 0.4
_USUAL_S = (0.24, 1.1)
"""Frame advances that most crops have, in seconds."""
_USUAL_LEVELS, _ALL_LEVELS = (8.0, 20.0), (0.0, 26.0)
_SHARE_USUAL = 0.75
_QUIET_KEPT = 8
"""Of contexts without any magnitude, which are all alike, one in so many is kept, and counts as so many."""


@dataclass(frozen=True)
class Plane:
    """Holds one crop's coefficients y float32 [1, F, K] in steps."""

    y: NDArray[np.float32]
    spec: PlaneSpec


@dataclass(frozen=True)
class SymbolExamples:
    """Holds contexts and what followed: features int16 [N, features], and all else [N]."""

    features: NDArray[np.int16]
    position: NDArray[np.int16]
    level: NDArray[np.int16]
    duration: NDArray[np.int16]
    magnitude: NDArray[np.int32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.magnitude)

    def take(self, index: NDArray[np.int64]) -> "SymbolExamples":
        """Returns the examples at ``index``."""
        return SymbolExamples(*(value[index] for value in vars(self).values()))


def join(parts: list[SymbolExamples]) -> SymbolExamples:
    """Returns all examples of several."""
    return SymbolExamples(
        *(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True))
    )


def coefficients_of(signal: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    """Returns the coefficients [F, hop] of a centred signal [T]."""
    return analyse(mirrored(signal, 0, 0, n_frames(len(signal), hop), len(signal), hop), hop)


def plane_of(y: NDArray[np.float64], level: float, rms: float, hop: int, rate_hz: float) -> Plane:
    """Returns the plane of coefficients [F, hop] of a signal whose RMS is ``rms``.

    ``level`` need not be whole: the model is told the nearest.
    """
    scale = 2.0 ** ((level - LEVEL_ZERO) / LEVELS_PER_OCTAVE) / rms
    levels = np.array([round(level)], np.uint8)
    spec = PlaneSpec(levels, hop, rate_hz, np.zeros(len(y), np.int8))
    return Plane((y * scale)[None].astype(np.float32), spec)


def draw_plane(corpus: WindowCorpus, rng: np.random.Generator, seconds: float) -> Plane:
    """Draw a crop of a random channel, rate, frame advance and level.

    Signs, directions, drift and places are drawn by ``data.draw_crop``, spectra by ``augment.coloured``.
    """
    stream, channel = corpus.pick(rng)
    crop = draw_crop(stream, channel, rng, max(1, round(seconds * stream.rate_hz)))
    signal, rate_hz = _resampled(crop, stream, rng)
    hops = np.array(HOPS)
    advance = hops / rate_hz
    usual = (advance >= _USUAL_S[0]) & (advance <= _USUAL_S[1])
    octaves = np.abs(np.log2(advance / 0.5))
    likely = np.where(usual, 1.0, np.where(octaves <= 2.1, 0.4, 0.15)) * (hops < len(signal) / 4)
    likely[0] += 1e-9  # a stream of a few samples has short frames
    hop = int(rng.choice(hops, p=likely / likely.sum()))
    low, high = _USUAL_LEVELS if rng.random() < _SHARE_USUAL else _ALL_LEVELS
    y = coloured(coefficients_of(signal - signal.mean(), hop), hop, rate_hz, rng)
    return plane_of(y, rng.uniform(low, high), 1.0, hop, rate_hz)


def _resampled(
    signal: NDArray[np.float64], stream: Stream, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    if rng.random() >= _RESAMPLED:
        return signal, stream.rate_hz
    rate_hz = float(RATES_HZ[int(rng.integers(len(RATES_HZ)))])
    n = round(len(signal) * rate_hz / stream.rate_hz)
    if rate_hz == stream.rate_hz or n < 2 * HOPS[0]:
        return signal, stream.rate_hz
    # the ends are tapered away: a Fourier resampler joins the last sample to the first
    reach = min(len(signal), 256)
    padded = np.pad(signal, reach, mode="symmetric")
    whole = round(len(padded) * rate_hz / stream.rate_hz)
    out = np.asarray(scipy.signal.resample(padded, whole))
    start = round(reach * rate_hz / stream.rate_hz)
    return out[start : start + n], rate_hz


@dataclass(frozen=True)
class Static:
    """Holds the network in integers and the token tables that go with it: the model of the device profile."""

    net: IntegerNet
    starts: NDArray[np.int32]

    def quantise(self, plane: Plane, lam: float) -> tuple[NDArray[np.int32], float]:
        """Returns the integers [1, F, K] that a plane becomes, and their bits."""
        q, _, bits = choose_static(plane.y, plane.spec, self.net, self.starts, lam)
        return q, bits


def rounded(plane: Plane) -> NDArray[np.int32]:
    """Returns the integers that a plane becomes by a dead zone, as long as there is no model."""
    return (np.sign(plane.y) * np.floor(np.abs(plane.y) + 0.4)).astype(np.int32)


def examples_of(plane: Plane, q: NDArray[np.int32], rng: np.random.Generator) -> SymbolExamples:
    """Returns the contexts of all coded values of a plane, those without any magnitude thinned out."""
    bins, spec = int(used_bins(q, 1)[0]), plane.spec
    magnitude = np.abs(q[:, :, :bins])
    features = features_of(magnitude).reshape(-1, N_FEATURES)
    quiet = np.asarray(~features.any(1))
    kept = ~quiet | (rng.random(quiet.size) < 1 / _QUIET_KEPT)
    n = int(kept.sum())
    position = np.broadcast_to(positions(spec.hop, spec.rate_hz)[:bins], magnitude.shape).reshape(-1)
    return SymbolExamples(
        features[kept],
        position[kept].astype(np.int16),
        np.full(n, spec.levels[0], np.int16),
        np.full(n, duration_of(spec.hop, spec.rate_hz), np.int16),
        magnitude.reshape(-1)[kept],
        np.where(quiet[kept], np.float32(_QUIET_KEPT), np.float32(1)),
    )
