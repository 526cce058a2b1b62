"""Measures errors in critical seconds, and elsewhere, each by itself: pooled over all, neither would be seen.

Every channel of every recording counts alike: its error and its signal are divided by its variance. The
signal is taken about the channel's mean over the whole recording. Frames that nobody has looked at are in
neither part.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.labels.frames import frame_end
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL, UNLABELLED

_XX, _YY, _XY, _EE = range(4)


@dataclass
class PartSums:
    """Holds sums over samples of one part: signal, decoded, their product and the error, each squared."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    samples: int = 0

    def __add__(self, other: "PartSums") -> "PartSums":
        return PartSums(self.sums + other.sums, self.samples + other.samples)

    @property
    def prdn(self) -> float | None:
        """Returns the error in percent of the signal about its mean; None without a signal."""
        xx, ee = self.sums[_XX], self.sums[_EE]
        return 100 * math.sqrt(ee / xx) if xx > 0 else None

    @property
    def r(self) -> float | None:
        """Returns the correlation of decoded and original; None where either does not move."""
        xx, yy, xy = self.sums[_XX], self.sums[_YY], self.sums[_XY]
        return float(xy / math.sqrt(xx * yy)) if xx > 0 and yy > 0 else None


def labelled_samples(
    labels: NDArray[np.uint8], n_samples: int, rate_hz: float, frame_ms: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which samples [n] lie in critical frames, and which in others that somebody has looked at."""
    ends = np.minimum([frame_end(f, rate_hz, frame_ms) for f in range(len(labels))], n_samples)
    counts = np.diff(ends, prepend=0)
    of_samples = np.full(n_samples, UNLABELLED, np.uint8)
    of_samples[: counts.sum()] = np.repeat(labels, counts)
    critical = of_samples == SEEN_CRITICAL
    return critical, ~critical & (of_samples != UNLABELLED)


def sums_of(
    original: NDArray[np.integer], decoded: NDArray[np.integer], parts: Iterable[NDArray[np.bool_]]
) -> list[PartSums]:
    """Returns the sums of each part of a recording [C, T]; channels that do not move are left out.

    Args:
        original, decoded: digital values.
        parts: which samples [T] belong to it.
    """
    chosen = list(parts)
    found = [PartSums() for _ in chosen]
    for x, y in zip(original.astype(np.float64), decoded.astype(np.float64), strict=True):
        mean, variance = x.mean(), x.var()
        if variance == 0:
            continue
        x, y = x - mean, y - mean
        for one, part in zip(found, chosen, strict=True):
            a, b = x[part], y[part]
            e = a - b
            one.sums += np.array([a @ a, b @ b, a @ b, e @ e]) / variance
            one.samples += len(a)
    return found


def pooled(parts: Iterable[PartSums]) -> PartSums:
    """Returns the sums of several recordings, each of whose channels counts alike."""
    return sum(parts, PartSums())
