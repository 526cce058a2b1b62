"""Brings decoded planes of one codec nearer to the signal: what decodes takes it beside its model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.entropy import PlaneSpec
from cookbooks.lamquant.lqc.levels import N_LEVELS
from cookbooks.lamquant.lqc.planes import PROFILES, Profile
from cookbooks.lamquant.refine.features import REACH, about, local, odd, spread
from cookbooks.lamquant.refine.guess import guess_planes
from cookbooks.lamquant.refine.network import RefineNet

_BLOCK = 1 << 14
"""Values that are refined at a time: what they need stays in the cache."""
BINS_ABOVE = 4
"""Bins above the highest that is not zero which are refined, too."""


@dataclass(frozen=True)
class LoadedRefiner:
    """Holds a refining network and the beginning of the digest of the codec that it was trained for."""

    for_model: bytes
    net: RefineNet

    def refined(self, planes: NDArray[np.float32], spec: PlaneSpec, profile: Profile) -> NDArray[np.float32]:
        """Returns planes float32 [P, F, K], in steps, nearer to what was coded than the decoded ``planes``.

        Nothing but these, what the file says of them and the weights is used; planes of the other sign give
        the same with the other sign.
        """
        strength, out = self.net.strength[PROFILES.index(profile)], planes.copy()
        used = np.flatnonzero(planes.any((0, 1)))
        if not strength or not len(used):
            return out
        width, guess = min(spec.hop, int(used[-1]) + BINS_ABOVE), guess_planes(planes, spec.hop, spec.rate_hz)
        reach = self.net.reach + REACH
        step = max(reach, _BLOCK // width)
        frames = planes.shape[1]
        for p, (y, guessed) in enumerate(zip(planes[:, :, :width], guess.value[:, :, :width], strict=True)):
            levels = np.clip(int(spec.levels[p]) + spec.offsets.astype(np.int64), 0, N_LEVELS - 1)
            rest, biases = guess.rest[p, :width], self._biases(spec, levels, profile, width)
            for start in range(0, frames, step):
                low, high = max(0, start - reach), min(frames, start + step + reach)
                inside, bias = slice(low, high), biases(levels[low:high])
                near = local(y[inside], guessed[inside], rest)
                weights = self.net.weigh(spread(y[inside]), near, bias)
                moved = np.einsum("fkn,fkn->fk", weights, odd(y[inside], guessed[inside], rest))
                stop = min(start + step, frames)
                out[p, start:stop, :width] += strength * moved[start - low : stop - low]
        return out

    def _biases(
        self, spec: PlaneSpec, levels: NDArray[np.int64], profile: Profile, width: int
    ) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """Returns what gives the first layer's bias of frames of these levels: [K, n] or [F, K, n]."""
        table = {
            level: about(spec, level, profile)[:width] @ self.net.about
            for level in np.unique(levels).tolist()
        }
        if len(table) == 1:
            (only,) = table.values()
            return lambda _: only
        return lambda some: np.stack([table[level] for level in some.tolist()])
