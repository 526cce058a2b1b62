"""How far one model's predictions are from another's, on the same tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cookbooks.llm.payload.engines import Logits, chunks, log_softmax

Values = np.ndarray[Any, np.dtype[np.float64]]


class NotFinite(ArithmeticError):
    """A model predicts numbers that are none."""


@dataclass(frozen=True)
class Divergence:
    """Per token: KL(reference, other) in nats, whether both find the same token likeliest, and both negative
    log-likelihoods of the token that follows (one fewer)."""

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
        ours, theirs = log_softmax(reference[part, :width]), log_softmax(other[part, :width])
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            raise NotFinite("a model predicts numbers that are not finite: its weights are damaged")
        # rounding can leave a distance of nothing just below nothing
        kl[part] = np.maximum((np.exp(ours) * (ours - theirs)).sum(-1), 0)
        same[part] = ours.argmax(-1) == theirs.argmax(-1)
        known = targets[part]
        rows = np.arange(len(known))
        nll[0, part.start : part.start + len(known)] = -ours[rows, known]
        nll[1, part.start : part.start + len(known)] = -theirs[rows, known]
    return Divergence(kl, same, nll[0], nll[1])
