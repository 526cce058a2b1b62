"""Chooses from which score on frames are fine: by bytes at equal error in critical seconds.

An operating point for alarms wants few false ones. Here a false one costs bytes of a few seconds, and a
missed one the error of a whole seizure, so the best point lies elsewhere, and levels move it. On recordings
of validation patients many points are estimated, and the most promising ones coded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.advantage import Constant
from cookbooks.lamquant.adaptive.codec import FollowingCodec, ReadRecording
from cookbooks.lamquant.adaptive.fidelity import labelled_samples, pooled, sums_of
from cookbooks.lamquant.controller.economy import rate_advantage, relative_power
from cookbooks.lamquant.controller.states import Point
from cookbooks.lamquant.lqc.decode import Decoder

SHARES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5)
"""Shares of frames that a threshold may let through."""
CODED = 3
"""Points that are coded; the others are estimated."""


@dataclass(frozen=True)
class Weighed:
    """Holds what a point is worth: rate advantage by estimate and in bytes, and error in critical seconds."""

    point: Point
    estimated: float
    measured: float
    critical_prdn: float

    def facts(self) -> dict[str, Any]:
        """Returns them for people."""
        return {
            "critical": self.point.critical,
            "maybe": self.point.maybe,
            "estimated_rate_advantage": round(self.estimated, 4),
            "rate_advantage": round(self.measured, 4),
            "critical_prdn": round(self.critical_prdn, 4),
        }


def choose_point(
    codec: FollowingCodec,
    recordings: Mapping[str, ReadRecording],
    labels: Mapping[str, NDArray[np.uint8]],
    told: Callable[[int, int], object] = lambda done, of: None,
) -> tuple[Point, list[Weighed]]:
    """Returns the point with the largest rate advantage, and the points that were coded, the best first.

    Args:
        codec: whose thresholds are replaced; its levels, hold, pre-roll and fail-safe stay.
        recordings: of validation patients, by stem.
        labels: of their frames, uint8 [T].
        told: called with points done, and how many there are.

    Raises:
        ValueError: no recording has a critical frame.
    """
    scores = {stem: codec.scores(one) for stem, one in recordings.items()}
    powers = [relative_power(one.loud) for one in scores.values()]
    truth = [labels[stem][: len(one)] for stem, one in scores.items()]
    odds = np.concatenate([one.log_odds[:, 0] for one in scores.values()])

    def estimate(point: Point) -> float:
        fitted = replace(codec, point=point)
        states = [fitted.states(one) for one in scores.values()]
        return rate_advantage(states, truth, powers, codec.levels.levels)

    found = [(estimate(point), point) for point in dict.fromkeys([codec.point, *_points(codec.point, odds)])]
    found.sort(key=lambda one: -one[0])
    device = replace(codec, profile="device")
    critical = {
        stem: labelled_samples(labels[stem], one.n_samples, one.rate_hz, codec.controller.frame_ms)[0]
        for stem, one in recordings.items()
    }
    constant, weighed = Constant(device, recordings, critical), list[Weighed]()
    for number, (estimated, point) in enumerate(found[:CODED], 1):
        fitted = replace(device, point=point)
        n_bytes, parts = 0, []
        for stem, recording in recordings.items():
            data = fitted.encode(recording, fitted.states(scores[stem]))
            n_bytes += len(data)
            if critical[stem].any():
                decoded = Decoder(data, codec.model, threads=1).read_all()
                original = recording.read(0, recording.n_samples)
                parts += sums_of(original, decoded, [critical[stem]])
        prdn = pooled(parts).prdn
        if prdn is None:
            raise ValueError("no validation recording has a critical frame: thresholds cannot be chosen")
        weighed.append(Weighed(point, estimated, constant.find(prdn).n_bytes / n_bytes, prdn))
        told(number, min(CODED, len(found)))
    weighed.sort(key=lambda one: -one.measured)
    return weighed[0].point, weighed


def _points(point: Point, odds: NDArray[np.integer]) -> Sequence[Point]:
    """Returns points whose thresholds let through some share of frames, the second one a larger share."""
    at = [int(np.ceil(np.quantile(odds, 1 - share))) for share in SHARES]
    return [
        replace(point, critical=critical, maybe=maybe)
        for n, critical in enumerate(at)
        for maybe in at[n:]
        if maybe <= critical
    ]
