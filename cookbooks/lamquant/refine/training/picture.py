"""Draws what a decoder gains: a stretch as both decoders give it, and the error of each recording."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cookbooks.lamquant.lqc.planes import Profile
from cookbooks.lamquant.refine.training.judge import Decoded, FileScore


def draw_gain(scores: Sequence[FileScore], shown: Mapping[Profile, Decoded]) -> bytes:
    """Draw a PNG; same bytes for the same scores."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), dpi=70, layout="constrained")
    axes = figure.subplots(len(shown) + 1, 1)
    small: dict[str, Any] = {"fontsize": 9, "loc": "left"}
    for axis, (profile, one) in zip(axes, shown.items(), strict=False):
        time = np.arange(len(one.original)) / one.rate_hz
        axis.plot(time, one.original, color="0.55", linewidth=1.6, label="original")
        axis.plot(time, one.shipped - one.original, color="tab:blue", linewidth=0.8, label="error as shipped")
        axis.plot(time, one.refined - one.original, color="tab:red", linewidth=0.8, label="error as refined")
        axis.set_title(f"profile {profile}: the same bytes, decoded twice", **small)
        axis.set_ylabel("µV", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8, loc="upper right")
    at = np.arange(len(scores))
    axes[-1].bar(at - 0.2, [one.shipped for one in scores], 0.4, color="tab:blue", label="as shipped")
    axes[-1].bar(at + 0.2, [one.refined for one in scores], 0.4, color="tab:red", label="as refined")
    labels = [f"{one.stem[:14]} {one.profile}" for one in scores]
    axes[-1].set_xticks(at, labels, rotation=60, ha="right", fontsize=6)
    axes[-1].set_title("PRDN, %, of validation recordings", **small)
    axes[-1].legend(fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
