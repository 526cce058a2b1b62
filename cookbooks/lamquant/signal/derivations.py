"""Computes waves that stay what they are when a recording is referenced to something else.

With another common reference every channel changes by the same wave. The mean over all channels removes it,
and so does the difference of two channels; the difference of neighbours is what a bipolar montage records
as well. Which channels are neighbours is read from the names of the 10-20 system (the longitudinal montage
of the ACNS guideline 3, 2016), and from the order of the channels, where names say nothing.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.common_rate import Waves
from cookbooks.lamquant.signal.montage import electrode

CHANNEL, AVERAGE, DIFFERENCE = "channel", "average reference", "difference of two channels"
_CHAINS = ("FP1 F7 T3 T5 O1", "FP1 F3 C3 P3 O1", "FP2 F8 T4 T6 O2", "FP2 F4 C4 P4 O2", "FZ CZ PZ")


class Derivations:
    """Names the waves of one recording: channels, channels against their mean, differences of neighbours.

    Args:
        channels: the names.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self._n = len(channels)
        self._n_average = self._n if self._n > 2 else 0
        self._pairs = _neighbours(channels)

    def __len__(self) -> int:
        return self._n + self._n_average + len(self._pairs)

    def kind(self, wave: int) -> str:
        """Says how the wave of an index is derived."""
        if wave < self._n:
            return CHANNEL
        return AVERAGE if wave < self._n + self._n_average else DIFFERENCE

    def all(self, waves: Waves) -> Waves:
        """Returns every derived wave, float32 [len(self), n], of the channels [C, n]."""
        parts = [waves]
        if self._n_average:
            parts.append(waves - waves.mean(axis=0))
        if len(self._pairs):
            parts.append(waves[self._pairs[:, 0]] - waves[self._pairs[:, 1]])
        return np.concatenate(parts)

    def one(self, waves: Waves, wave: int) -> NDArray[np.float64]:
        """Returns one derived wave, float64 [n], of the channels [C, n]."""
        kind, exact = self.kind(wave), waves.astype(np.float64)
        if kind == CHANNEL:
            return exact[wave]
        if kind == AVERAGE:
            return exact[wave - self._n] - exact.mean(axis=0)
        one, other = self._pairs[wave - self._n - self._n_average]
        return exact[one] - exact[other]


def _neighbours(channels: Sequence[str]) -> NDArray[np.int64]:
    """Returns pairs of channels [n, 2]: neighbours in the list, then neighbours on the head."""
    place: dict[str, int] = {}
    for index, name in enumerate(channels):
        place.setdefault(electrode(name), index)
    pairs = [(index, index + 1) for index in range(len(channels) - 1)]
    for chain in _CHAINS:
        names = chain.split()
        for one, other in itertools.pairwise(names):
            if one in place and other in place:
                pair = place[one], place[other]
                if pair not in pairs and pair[::-1] not in pairs:
                    pairs.append(pair)
    return np.array(pairs, np.int64).reshape(-1, 2)
