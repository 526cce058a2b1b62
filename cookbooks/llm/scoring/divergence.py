"""Measures how far one model's predictions are from another's, on the same tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cookbooks.llm.scoring.engine import Logits, Values, chunks, shifted


class NotFinite(ArithmeticError):
    """Says that a model predicts numbers that are none."""


@dataclass(frozen=True)
class Divergence:
    """Holds per token: KL(reference, other) in nats, whether both find the same token likeliest,
    and both negative log-likelihoods of the token that follows (one fewer).
    """

    kl: Values
    same_top: Values
    nll_reference: Values
    nll: Values


def diverge(reference: Logits, other: Logits, tokens: Sequence[int]) -> Divergence:
    """Compare the predictions after each of ``tokens``.

    Raises:
        NotFinite: either holds a number that is none.
    """
    width = min(reference.shape[1], other.shape[1])
    n = len(tokens)
    kl, same = np.empty(n), np.empty(n)
    nll = np.empty((2, n - 1))
    targets = np.asarray(tokens[1:])
    for part in chunks(n):
        (ours, total), (theirs, other_total) = shifted(reference[part, :width]), shifted(other[part, :width])
        chance = np.exp(ours - total[:, None].astype(np.float32))
        apart = (chance * (ours - theirs)).sum(-1, dtype=np.float64) / chance.sum(-1, dtype=np.float64)
        # rounding can leave a distance of nothing just below nothing
        kl[part] = np.maximum(apart - (total - other_total), 0)
        same[part] = ours.argmax(-1) == theirs.argmax(-1)
        known = targets[part]
        rows, into = np.arange(len(known)), slice(part.start, part.start + len(known))
        nll[0, into] = total[rows] - ours[rows, known]
        nll[1, into] = other_total[rows] - theirs[rows, known]
    if not (np.isfinite(kl).all() and np.isfinite(nll).all()):
        raise NotFinite("a model predicts numbers that are not finite: its weights are damaged")
    return Divergence(kl, same, nll[0], nll[1])
