"""Measures validation recordings by the formulas that the verdict judges by."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from cookbooks.lamquant.gate.metrics import pearson, prdn


def mean_figures(pairs: Iterable[tuple[ArrayLike, ArrayLike]]) -> tuple[float, float]:
    """Returns mean PRDN in percent and mean R over recordings, each an original and a decoded ``[C, T]``.

    A recording that does not move says nothing of the codec and is passed over; one that is decoded as a
    constant counts with R 0. Both are NaN where no recording moves or a decoded value is not finite.
    """
    errors, correlations = [], []
    for original, decoded in pairs:
        if not np.isfinite(decoded).all():
            return math.nan, math.nan
        if (error := prdn(original, decoded)) is not None:
            errors.append(error)
            correlations.append(pearson(original, decoded) or 0.0)
    return (float(np.mean(errors)), float(np.mean(correlations))) if errors else (math.nan, math.nan)
