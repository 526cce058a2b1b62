"""Judges a probability model on the validation streams, by the formulas that the verdict judges by."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.examples import Static, coefficients_of, plane_of
from cookbooks.lamquant.codec.presets import Preset, Tier, hop_for
from cookbooks.lamquant.gate.metrics import pearson, prdn
from cookbooks.lamquant.lqc.lapped import synthesise
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE


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


def validate(
    model: Static, corpus: WindowCorpus, tiers: Sequence[Tier], preset: Preset, lam: float
) -> dict[str, float]:
    """Quantise the validation streams at each tier's nominal step; nothing is coded to bytes.

    ``val_loss`` is squared error in steps plus ``lam`` times bits, ``bits_per_sample`` the code length of
    the static tables; both are means over the tiers. ``quantised_prdn`` and ``quantised_r`` are means over
    tiers and streams, every channel scaled to unit RMS: they rank epochs of one training and are not what
    the coded files will measure.
    """
    squared, bits, n, pairs = 0.0, 0.0, 0, []
    for tier in tiers:
        scale = 2.0 ** ((tier.level - LEVEL_ZERO) / LEVELS_PER_OCTAVE)
        for stream, length in corpus.val_lengths(preset.val_seconds):
            originals, decoded = [], []
            for channel in np.flatnonzero(stream.rms > 0).tolist():
                x = stream.cut(channel, 0, length)
                hop = hop_for(stream.rate_hz, length)
                y = coefficients_of(x, hop)
                plane = plane_of(y, tier.level, stream.rms[channel], hop, stream.rate_hz)
                q, cost = model.quantise(plane, lam)
                squared += float(np.square(plane.y - q).sum(dtype=np.float64))
                bits, n = bits + cost, n + length
                originals.append(x / stream.rms[channel])
                decoded.append(synthesise(q[0].astype(np.float64))[:length] / scale)
            if originals:
                pairs.append((originals, decoded))
    prdn_mean, r_mean = mean_figures(pairs)
    return {
        "quantised_prdn": prdn_mean,
        "quantised_r": r_mean,
        "val_loss": (squared + lam * bits) / n,
        "bits_per_sample": bits / n,
    }
