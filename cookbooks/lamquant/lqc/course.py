"""Says how fine a recording is coded as time goes by: steps that are finer where it matters.

A course holds for all channels of a signal. In the file it is the offset of each frame, in quarter octaves,
so any decoder reads a file that was coded along one, and ``offsets.py`` reads from it which one that was.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import InputError

STATES = "states"
"""Names the fact that says what offsets stand for: the level at none, then that of each state, ascending."""
FINEST = 64
"""Quarter octaves by which a frame's steps may differ from its channel's."""


@dataclass(frozen=True)
class Course:
    """Holds how fine each period of a signal is coded.

    Attributes:
        finer: by how many quarter octaves steps are finer than the channel's, integers [N], one for each
            period from the beginning on; the last one holds on to the end.
        period_s: seconds of a period.
    """

    finer: NDArray[np.integer]
    period_s: float

    def __post_init__(self) -> None:
        finer = np.asarray(self.finer)
        if finer.ndim != 1 or not len(finer) or finer.dtype.kind not in "iu":
            raise InputError(
                f"course finer: is {finer.dtype} {list(finer.shape)}: must be integers [N], one a period"
            )
        if np.abs(finer.astype(np.int64)).max() > FINEST:
            raise InputError(f"course finer: must be -{FINEST} to {FINEST} quarter octaves")
        if not 0.01 <= self.period_s <= 3600:
            raise InputError(f"course period_s={self.period_s}: must be 0.01 to 3600 seconds")

    def of_frames(self, first: int, stop: int, hop: int, rate_hz: float) -> NDArray[np.int8]:
        """Returns the offset of each frame from ``first`` to before ``stop``, int8 [F].

        A frame covers the samples from ``(f - 1) * hop`` on, ``2 * hop`` of them, and is as fine as the
        finest period that it reaches into: so all of that period is.
        """
        last, per = len(self.finer) - 1, self.period_s * rate_hz
        found = np.empty(stop - first, np.int8)
        for f in range(first, stop):
            low = min(int(max(f - 1, 0) * hop / per), last)
            high = min(int(((f + 1) * hop - 1) / per), last)
            found[f - first] = self.finer[low : high + 1].max()
        return found
