"""Chooses from which score on frames are fine: by bytes at equal error in critical seconds.

An operating point for alarms wants few false ones. Here a false one costs bytes of a few seconds, and a
missed one the error of a whole seizure, so the best point lies elsewhere, and levels move it. Points are
estimated on recordings of validation patients, and what the best one is worth is measured in bytes.

A handful of validation patients flatters: a point that finds all of their seizures is taken for one that
finds all seizures. So a part of the critical frames is taken to be missed, and coded like all other time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.advantage import Constant
from cookbooks.lamquant.adaptive.codec import FollowingCodec, ReadRecording
from cookbooks.lamquant.adaptive.fidelity import labelled_samples, pooled, sums_of
from cookbooks.lamquant.controller.economy import constant_bits, relative_power, spent
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL
from cookbooks.lamquant.lqc.decode import Decoder

SHARES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5)
"""Shares of frames that a threshold may let through."""
MISSED = 0.25
"""Share of critical frames that is taken to be missed of patients whom nobody has seen yet."""


@dataclass(frozen=True)
class Weighed:
    """Holds what a point is worth on the validation patients.

    Attributes:
        point: where states begin.
        expected: rate advantage by estimate, with a part of the critical frames missed.
        measured: rate advantage in bytes of profile ``device``.
        critical_prdn: error in critical seconds at it, percent.
    """

    point: Point
    expected: float
    measured: float
    critical_prdn: float

    def facts(self) -> dict[str, Any]:
        """Returns them for people."""
        return {
            "expected_rate_advantage": round(self.expected, 4),
            "rate_advantage": round(self.measured, 4),
            "critical_prdn": round(self.critical_prdn, 4),
            "taken_to_be_missed": MISSED,
        }


def choose_point(
    codec: FollowingCodec,
    recordings: Mapping[str, ReadRecording],
    labels: Mapping[str, NDArray[np.uint8]],
) -> Weighed:
    """Returns the point with the largest expected rate advantage, and what it is worth in bytes.

    Args:
        codec: whose thresholds are replaced; its levels, hold, pre-roll and fail-safe stay.
        recordings: of validation patients, by stem.
        labels: of their frames, uint8 [T].

    Raises:
        ValueError: no recording has a critical frame.
    """
    scores = {stem: codec.scores(one) for stem, one in recordings.items()}
    power = np.concatenate([relative_power(one.loud) for one in scores.values()])
    critical = np.concatenate([labels[stem][: len(one)] for stem, one in scores.items()]) == SEEN_CRITICAL
    if not critical.any():
        raise ValueError("no validation recording has a critical frame: thresholds cannot be chosen")
    odds = np.concatenate([one.log_odds[:, 0] for one in scores.values()])

    def expected(point: Point) -> float:
        fitted = replace(codec, point=point)
        states = np.concatenate([fitted.states(one) for one in scores.values()])
        return expected_advantage(states, critical, power, codec.levels.levels)

    best = max(dict.fromkeys([codec.point, *_points(codec.point, odds)]), key=expected)
    device = replace(codec, profile="device", point=best)
    seconds, n_bytes, parts = dict[str, NDArray[np.bool_]](), 0, []
    for stem, recording in recordings.items():
        data = device.encode(recording, device.states(scores[stem]))
        n_bytes += len(data)
        n, rate_hz = recording.n_samples, recording.rate_hz
        seconds[stem], _ = labelled_samples(labels[stem], n, rate_hz, codec.controller.frame_ms)
        decoded = Decoder(data, codec.model, threads=1).read_all()
        parts += sums_of(recording.read(0, n), decoded, [seconds[stem]])
    prdn = pooled(parts).prdn
    if prdn is None:
        raise ValueError("no channel moves in the critical frames of validation recordings")
    constant = Constant(device, recordings, seconds).find(prdn)
    return Weighed(best, expected(best), constant.n_bytes / n_bytes, prdn)


def expected_advantage(
    states: NDArray[np.uint8],
    critical: NDArray[np.bool_],
    power: NDArray[np.float64],
    levels: Sequence[int],
    missed: float = MISSED,
) -> float:
    """Returns the bits of the constant level with equal error in critical frames, over those of the states.

    Args:
        states: of frames [T].
        critical: which of them are [T].
        power: of each frame, relative to its recording's [T].
        levels: of each state.
        missed: share of the critical frames that is coded as the others are.
    """
    of_states = np.asarray(levels, np.float64)
    bits, error = spent(of_states[states], power)
    others = np.bincount(states[~critical], minlength=len(levels)) / max(int((~critical).sum()), 1)
    each = [spent(np.full(len(power), level), power)[1] for level in of_states]
    elsewhere = sum(share * one for share, one in zip(others, each, strict=True))
    wanted = float(((1 - missed) * error + missed * elsewhere)[critical].sum())
    return constant_bits(power, critical, wanted) / float(bits.sum())


def _points(point: Point, odds: NDArray[np.integer]) -> Sequence[Point]:
    """Returns points whose thresholds let through some share of frames, the second one a larger share."""
    at = [int(np.ceil(np.quantile(odds, 1 - share))) for share in SHARES]
    return [
        replace(point, critical=critical, maybe=maybe)
        for n, critical in enumerate(at)
        for maybe in at[n:]
        if maybe <= critical
    ]
