"""Draws what a refining decoder learns from: channels of a crop, as a frozen codec codes and decodes them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec.data import Stream, WindowCorpus, add_drift, draw_crop
from cookbooks.lamquant.codec.examples import HOPS, coefficients_of
from cookbooks.lamquant.lqc.chunk import ALONE, in_steps
from cookbooks.lamquant.lqc.entropy import PlaneSpec, choose_static, choose_trellis
from cookbooks.lamquant.lqc.lapped_pass import steps_at
from cookbooks.lamquant.lqc.levels import level_of
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.planes import PROFILES, Profile
from cookbooks.lamquant.lqc.spatial import mixing_for, together

_ADVANCE_S = (0.2, 1.2)
"""Frame advances that crops have, in seconds."""
_MOST_CHANNELS = 24
_DRIFTS, _MADE_UP, _ALONE = 0.5, 0.5, 0.25
"""How often crops drift, are of made-up electrodes, and of these of one alone."""
_MOST_MADE_UP = 16
_HEARD = (0.3, 3.0)
"""Electrodes over which a source is heard a third as loud."""


@dataclass(frozen=True)
class CodedCrop:
    """Holds the planes of a crop as they were and as they are decoded, float32 [P, F, K], in steps.

    ``chosen`` are the integers that were written, of profile ``device`` what the decoded values are.
    """

    y: NDArray[np.float32]
    decoded: NDArray[np.float32]
    chosen: NDArray[np.int32]
    spec: PlaneSpec
    profile: Profile


@dataclass(frozen=True)
class Crop:
    """Holds lapped coefficients [C, F, K] of some channels of a stream, and each channel's strength, [C]."""

    coefficients: NDArray[np.float64]
    rms: NDArray[np.float64]
    hop: int
    rate_hz: float
    level: float


def draw_group(
    corpus: WindowCorpus, rng: np.random.Generator, seconds: float, levels: tuple[int, int]
) -> Crop:
    """Draw a crop of a random stream with several of its channels, a frame advance, and a level.

    Channels keep their common sign and time, for it is what they share that a decoder uses. Half of the crops
    are of made-up electrodes, and all where a stream has one channel: no montage is learned by heart.
    """
    stream, _ = corpus.pick(rng)
    length, level = max(1, round(seconds * stream.rate_hz)), rng.uniform(*levels)
    if rng.random() < _MADE_UP or (stream.rms > 0).sum() < 2:
        signals = _electrodes(corpus, stream, length, rng)
        return crop_of(signals, np.ones(len(signals)), _hop(stream, length, rng), stream.rate_hz, level)
    moving = np.flatnonzero(stream.rms > 0)
    count = int(rng.integers(2, min(len(moving), _MOST_CHANNELS) + 1))
    rows = np.sort(rng.permutation(moving)[:count])
    start = int(rng.integers(0, max(1, stream.n_samples - length + 1)))
    sign, back = (1 if rng.random() < 0.5 else -1), rng.random() < 0.5
    signals = [sign * stream.cut(row, start, length)[:: -1 if back else 1] for row in rows.tolist()]
    if rng.random() < _DRIFTS:
        signals = [
            stream.rms[row] * add_drift(x / stream.rms[row], rng, stream.rate_hz)
            for row, x in zip(rows.tolist(), signals, strict=True)
        ]
    return crop_of(signals, stream.rms[rows], _hop(stream, length, rng), stream.rate_hz, level)


def _electrodes(
    corpus: WindowCorpus, stream: Stream, length: int, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Returns signals [length] of electrodes in a row, each of which hears sources the less the farther away.

    Sources are crops of any channel of the same rate; every fourth signal stands alone.
    """
    count = 1 if rng.random() < _ALONE else int(rng.integers(2, _MOST_MADE_UP + 1))
    picked = [corpus.pick(rng, stream.rate_hz) for _ in range(count)]
    sources = np.stack([draw_crop(one, channel, rng, length) for one, channel in picked])
    away = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    heard = np.exp(-away / rng.uniform(*_HEARD)) * rng.choice([-1, 1], (1, count))
    return list(heard / np.linalg.norm(heard, axis=1, keepdims=True) @ sources)


def crop_of(
    signals: list[NDArray[np.float64]], rms: NDArray[np.float64], hop: int, rate_hz: float, level: float
) -> Crop:
    """Returns the crop of channels, each [T]."""
    return Crop(np.stack([coefficients_of(x - x.mean(), hop) for x in signals]), rms, hop, rate_hz, level)


def _hop(stream: Stream, length: int, rng: np.random.Generator) -> int:
    advance = np.array(HOPS) / stream.rate_hz
    usual = (advance >= _ADVANCE_S[0]) & (advance <= _ADVANCE_S[1]) & (np.array(HOPS) < length / 4)
    return int(rng.choice(np.array(HOPS)[usual])) if usual.any() else HOPS[0]


def coded(crop: Crop, model: Model, profile: Profile) -> CodedCrop:
    """Returns what the codec makes of a crop; channels are mixed as an encoder of that profile does."""
    steps, offsets = steps_at(crop.rms, crop.level), np.zeros(crop.coefficients.shape[1], np.int8)
    y = in_steps(crop.coefficients, steps, offsets)
    if profile == "full":
        y = together(y, mixing_for(y, crop.rate_hz, ALONE).own, crop.rate_hz)
    rms = np.sqrt(np.einsum("pfk,pfk->p", y, y, dtype=np.float64) / y[0].size)
    levels = np.array([level_of(float(one), 1.0) for one in rms], np.uint8)
    order = np.argsort(-levels.astype(np.int64), kind="stable")
    y, spec = np.ascontiguousarray(y[order]), PlaneSpec(levels[order], crop.hop, crop.rate_hz, offsets)
    entropy = model.entropy
    if profile == "device":
        q, _, _ = choose_static(y, spec, entropy.net, entropy.starts, model.lam)
        return CodedCrop(y, q.astype(np.float32), q, spec, profile)
    decoded = np.zeros(y.shape, np.float32)
    q, _ = choose_trellis(y, spec, entropy.net, entropy.prices, model.lam, entropy.mixture.centroids, decoded)
    return CodedCrop(y, decoded, q, spec, profile)


def coded_both(crop: Crop, model: Model) -> list[CodedCrop]:
    """Returns what the codec makes of a crop in each profile, ``device`` first."""
    return [coded(crop, model, profile) for profile in PROFILES]
