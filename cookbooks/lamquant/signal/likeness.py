"""Compares two recordings around a place where landmarks say that they are alike.

The measure is the normalised cross-correlation, at the common rate and in the common band, at the best lag.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cookbooks.lamquant.signal.common_rate import COMMON_HZ, stretch_at_common_rate
from cookbooks.lamquant.signal.derivations import Derivations
from cookbooks.lamquant.signal.reading import Signal

MATCH = 0.9
"""Correlation from which a stretch is the same signal."""
STRETCH_S, SHORTEST_S = 10.0, 2.0
LANDMARK_S = 1.5
"""Seconds that a landmark covers, about."""
_PIECES, _ENOUGH = 4, 3
"""Pieces of a stretch, and how many in a row have to agree by ``_PIECE_MATCH``."""
_PIECE_MATCH = 0.8
_REPEATS = 0.9
_SLACK_S, _EDGE_S = 0.3, 0.1
_FINE = 8

_Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """Says how two stretches compare; ``gain`` in microvolts, negative where inverted."""

    correlation: float
    gain: float
    lag_s: float


class Compared:
    """Compares two recordings at the places of votes (``PAIR``, positions in milliseconds)."""

    def __init__(self, signals: tuple[Signal, Signal]) -> None:
        self.signals = signals
        self.lengths = signals[0].n_samples / signals[0].rate_hz, signals[1].n_samples / signals[1].rate_hz
        self._waves = Derivations(signals[0].channels), Derivations(signals[1].channels)

    def kinds(self, vote: np.void) -> tuple[str, str]:
        """Returns how the two waves of a vote are derived."""
        return self._waves[0].kind(int(vote["channel"])), self._waves[1].kind(int(vote["other"]))

    def overlap(self, vote: np.void) -> tuple[float, float]:
        """Returns from which second of the first recording to which both have samples, at a vote's lag."""
        lag = _lag(vote)
        return max(0.0, -lag), min(self.lengths[0], self.lengths[1] - lag)

    def around(self, vote: np.void, span_s: tuple[float, float]) -> Likeness | None:
        """Compares the waves of a vote around it, within some seconds of the first recording.

        Returns:
            None where that is too short, proves nothing, or is not the same signal.
        """
        middle, lag = float(vote["position"]) / 1000 + LANDMARK_S / 2, _lag(vote)
        start, stop = self.overlap(vote)
        low = max(middle - STRETCH_S / 2, span_s[0] - _EDGE_S, start + _EDGE_S)
        high = min(middle + STRETCH_S / 2, span_s[1], stop - _EDGE_S)
        if high - low < SHORTEST_S:
            return None
        x_start, x = stretch_at_common_rate(self.signals[0], low, high)
        begin = x_start + lag - _SLACK_S
        y_start, y = stretch_at_common_rate(self.signals[1], begin, high + lag + _SLACK_S)
        one, other = self._waves[0].one(x, int(vote["channel"])), self._waves[1].one(y, int(vote["other"]))
        like = _alike(one, *_best_match(one, other, y_start - x_start))
        return like if like is not None and like.correlation >= MATCH else None


def _lag(vote: np.void) -> float:
    return float(vote["other_position"] - vote["position"]) / 1000


def _best_match(one: _Wave, other: _Wave, begin_s: float) -> tuple[_Wave, float]:
    """Returns the part of a longer wave that is most like ``one``, and its lag in seconds."""
    fine = resample_poly(other, _FINE, 1)
    best, part, lag = -1.0, one[:0], 0.0
    for phase in range(_FINE):
        row = fine[phase::_FINE]
        if not 0 < len(one) <= len(row):
            continue
        energy = np.concatenate([[0.0], np.cumsum(row**2)])
        values = np.abs(np.correlate(row, one, "valid"))
        values /= np.sqrt(np.maximum(energy[len(one) :] - energy[: len(values)], 1e-12))
        at = int(np.argmax(values))
        if values[at] > best:
            best, part = float(values[at]), row[at : at + len(one)]
            lag = begin_s + (at + phase / _FINE) / COMMON_HZ
    return part, lag


def _alike(one: _Wave, other: _Wave, lag_s: float) -> Likeness | None:
    """Compares two aligned waves piece by piece; the longest part in which all agree has to prove something.

    Whole stretches alone would not do: a large artefact, or a calibration that ends in one of them, outweighs
    all the rest.
    """
    if not len(other):
        return None
    sign = 1.0 if one @ other >= 0 else -1.0
    edges = np.linspace(0, len(one), _PIECES + 1).round().astype(int)
    agree = [sign * _correlation(one[a:b], other[a:b]) >= _PIECE_MATCH for a, b in itertools.pairwise(edges)]
    runs = [(a, b) for a in range(_PIECES) for b in range(a + _ENOUGH, _PIECES + 1) if all(agree[a:b])]
    if not runs:
        return None
    first, last = max(runs, key=lambda run: run[1] - run[0])
    one, other = one[edges[first] : edges[last]], other[edges[first] : edges[last]]
    if _repeats(one) or _repeats(other):
        return None
    return Likeness(sign * _correlation(one, other), float(one @ other / (one @ one)), lag_s)


def _correlation(one: _Wave, other: _Wave) -> float:
    return float(one @ other / np.sqrt(max((one @ one) * (other @ other), 1e-12)))


def _repeats(wave: _Wave) -> bool:
    """Says whether a wave resembles itself half a second or more later, or does not move at all."""
    n = len(wave)
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    if energy[-1] == 0:
        return True
    lags = np.arange(COMMON_HZ // 2, round(0.6 * n))
    products = np.correlate(wave, wave, "full")[n - 1 + lags]
    norms = np.sqrt(energy[n - lags] * (energy[-1] - energy[lags]))
    return bool((products >= _REPEATS * norms).any())
