"""Says which values the integers of a plane stand for: a plain quantiser, or one of two that take turns.

Where the frames before were loud, a coefficient is quantised in dependence on those below it in its frame
(trellis-coded quantisation: Marcellin and Fischer 1990; two interleaved quantisers switched by the parity of
the integers as in H.266). Two quantisers of spacing 1.2 steps, offset by half of that, are as fine as one of
0.6 steps, and each integer costs as if the spacing were 1.2. Elsewhere, where nearly all is zero, the spacing
is one step: an isolated value needs a point near one step.
"""

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.context import MARGIN, MAX_MAGNITUDE

FRACTION = 10
HALF = 614
"""Half the spacing of a dependent quantiser in 1/1024 steps."""
PLAIN = 2
N_KINDS = 3
"""Kinds of quantiser: 0 has the even multiples of HALF, 1 the odd ones and zero, PLAIN whole steps."""
N_STATES = 8
NEXT = np.array([[0, 1], [3, 2], [5, 4], [6, 7], [1, 0], [2, 3], [4, 5], [7, 6]], np.int64)
"""State after [state, parity of the integer]; the kind is state & 1. Trellis: Ungerboeck (1982)."""
_LOUD = 192
"""Sum of four means, in 256ths of a step, from which on a bin is loud."""
N_SHIFTED = 4
"""Magnitudes 1 to 3 have their own centroid; those above share the last one's."""


@jit
def find_loud(envelope, bins, loud):
    """Fill ``loud`` bool [K]: where the frames before had a mean of 3/16 steps or more around the bin."""
    for k in range(bins):
        j = k + MARGIN
        loud[k] = 2 * np.int64(envelope[j]) + envelope[j - 1] + envelope[j + 1] >= _LOUD


@jit
def point(kind, magnitude):
    """Returns the value that a magnitude stands for, in 1/1024 steps."""
    if kind == PLAIN:
        return magnitude << FRACTION
    return (2 * magnitude - (kind if magnitude > 0 else 0)) * HALF


@jit
def shown(value):
    """Returns a value of ``point`` as a context magnitude."""
    return min((value + 32) >> 6, MAX_MAGNITUDE << 4)
