"""Defines what a controller says of each frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameScores:
    """Holds what was seen and thought of some frames; row t of each is the t-th of them.

    Attributes:
        log_odds: int32 ``[T, 2]`` in 1/256: critical, interesting.
        loud, excess: as in `Pooled`.
        features: int32 ``[T, 27]``, as in `Pooled`.
    """

    log_odds: NDArray[np.int32]
    loud: NDArray[np.int32]
    excess: NDArray[np.int32]
    features: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.loud)

    @property
    def p_crit(self) -> NDArray[np.float64]:
        """Returns the probability that a frame is critical, ``[T]``."""
        return 1 / (1 + np.exp(-self.log_odds[:, 0] / 256))
