"""Describes each coefficient of a plane to the network: even features, and the odd ones that it weighs.

All that the network is told is even: the same for a signal and its negative. It answers with weights for odd
features, so the whole is odd: the negative of a file's integers decodes to the negative of its signal.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.entropy import PlaneSpec
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, duration_of
from cookbooks.lamquant.lqc.planes import Profile

REACH = 2
"""Bins and frames to each side that features look at."""
AROUND = (
    *((0, -2), (0, -1), (0, 1), (0, 2), (-2, 0), (-1, 0), (1, 0), (2, 0)),
    *((-1, -1), (-1, 1), (1, -1), (1, 1)),
)
"""Frames and bins from a coefficient to the neighbours that are weighed."""
N_ODD = 3 + len(AROUND)
N_SPREAD, N_LOCAL = 2, 7
"""Even features that the network sees around a coefficient, and those that it sees at the coefficient."""
KNOTS_HZ = (0.0, 0.5, 1, 2, 3, 4, 6, 8, 10, 13, 17, 22, 30, 40, 60, 80, 128)
N_ABOUT = len(KNOTS_HZ) + 6
Plane = NDArray[np.float32]
_SOFT = 0.5
_DURATION_ZERO, _DURATIONS_APART = 14, 4


def squashed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns values brought between -1 and 1, signs kept."""
    return values / (np.float32(_SOFT) + np.abs(values))


def about(spec: PlaneSpec, level: float, profile: Profile) -> NDArray[np.float32]:
    """Returns what is known of a plane's bins, [K, N_ABOUT]: frequency, level, duration and profile.

    ``level`` is the plane's, or that of one of its frames.
    """
    hertz = (np.arange(spec.hop) + 0.5) * spec.rate_hz / (2 * spec.hop)
    hats = [np.interp(hertz, KNOTS_HZ, row) for row in np.eye(len(KNOTS_HZ))]
    height = (level - LEVEL_ZERO) / 8
    duration = (duration_of(spec.hop, spec.rate_hz) - _DURATION_ZERO) / _DURATIONS_APART
    facts = (1.0, height, height**2, duration, duration**2, float(profile == "full"))
    rest = np.broadcast_to(np.array(facts), (spec.hop, len(facts)))
    return np.concatenate([np.stack(hats, 1), rest], 1).astype(np.float32)


def spread(y: Plane) -> NDArray[np.float32]:
    """Returns the even features of y [F, K] that are seen around each coefficient, [F, K, N_SPREAD]."""
    size = np.abs(y)
    return np.stack([np.log2(1 + size), np.minimum(size, 1)], -1)


def local(y: Plane, guess: Plane, rest: Plane) -> NDArray[np.float32]:
    """Returns the even features at each coefficient, [F, K, N_LOCAL], of y and its guess [F, K], rest [K]."""
    soft, known = squashed(y), np.broadcast_to(rest >= 0, y.shape)
    beside = np.pad(soft, 1)
    there = np.where(known, np.log2(np.maximum(np.broadcast_to(rest, y.shape), 0) + 0.1), 0)
    return np.stack(
        [
            np.log2(1 + np.abs(guess)),
            soft * squashed(guess),
            np.where(known, np.minimum(np.abs(guess - y), 1), 0),
            there,
            known,
            beside[1:-1, :-2] * beside[1:-1, 2:],
            beside[:-2, 1:-1] * beside[2:, 1:-1],
        ],
        -1,
    ).astype(np.float32)


def odd(y: Plane, guess: Plane, rest: Plane) -> NDArray[np.float32]:
    """Returns the odd features [F, K, N_ODD] of y and its guess [F, K]; ``rest`` [K] is -1 without one."""
    beside = np.pad(squashed(y), REACH)
    frames, width = y.shape
    out = np.empty((frames, width, N_ODD), np.float32)
    out[..., 0] = np.clip(y, -1, 1)
    out[..., 1] = np.where(rest >= 0, np.clip(guess - y, -1, 1), 0)
    out[..., 2] = squashed(guess)
    for number, (frame, bin_) in enumerate(AROUND, 3):
        out[..., number] = beside[REACH + frame :, REACH + bin_ :][:frames, :width]
    return out
