"""Draws every channel, in every band, beside its floor."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np

from blut_resources.registry.verdicts import Floor
from cookbooks.lamquant.gate.measure import Part
from cookbooks.lamquant.pictures.drawing import SMALL, as_png, new_figure
from cookbooks.lamquant.signal.bands import BANDS, GATED

LEAST, MOST = 5e-3, 10.0
"""A share outside is drawn at the border: a channel without any error has none on a logarithmic axis."""


def used_up(floor: Floor, measured: float) -> float:
    """Returns how much of what a floor allows is used: 1 at the floor, more beyond it.

    Of an error it is the error over the floor; of a correlation, its distance from 1 over that of the floor.
    """
    if floor.op == "<=":
        return measured / floor.floor
    return (1 - measured) / max(1 - floor.floor, 1e-9)


def draw_floors(parts: Mapping[str, Iterable[Part]], floors: Iterable[Floor]) -> bytes:
    """Returns a PNG: channels of all recordings as dots, by figure and band, what they use of their floors.

    ``parts`` are the figures of channels by recording. What could not be measured is drawn on top as a cross.
    """
    of = {(floor.scope, floor.name): floor for floor in floors if floor.kind == "channel"}
    names = [*("prdn", "r"), *(f"{band}_{what}" for what in ("prd", "r") for band in GATED)]
    errors = ["prdn", *(f"{band}_prd" for band in GATED)]
    correlations = [name for name in names if name not in errors]
    figure = new_figure(9, 4.2)
    colours = mpl.colormaps["tab10"]
    for axis, group, title in zip(
        figure.subplots(1, 2, sharey=True),
        (errors, correlations),
        ("error: PRD", "correlation: 1 - R"),
        strict=True,
    ):
        axis.axhspan(1, MOST, color="tab:red", alpha=0.08, linewidth=0)
        axis.axhline(1, color="0.4", linestyle="--", linewidth=1)
        for place, name in enumerate(group):
            dots = [
                (number, part, used_up(floor, part.measured) if part.measured is not None else math.inf)
                for number, stem in enumerate(sorted(parts))
                for part in parts[stem]
                if part.figure == f"channel_{name}" and (floor := of.get((stem, part.figure)))
            ]
            _strip(axis, place, dots, colours)
        axis.set_yscale("log")
        axis.set_title(f"{title} of each channel", fontsize=SMALL + 1, loc="left")
        axis.set_xticks(range(len(group)), [_label(name) for name in group], fontsize=SMALL)
        axis.set_xlim(-0.6, len(group) - 0.4)
        axis.tick_params(axis="y", labelsize=SMALL)
        axis.grid(axis="y", color="0.92")
        axis.set_axisbelow(True)
    figure.axes[0].set_ylabel("share of what the floor allows (1 = at the floor)", fontsize=SMALL)
    figure.axes[0].set_ylim(LEAST * 0.8, MOST)
    return as_png(figure)


def _strip(axis: Any, place: int, dots: list[tuple[int, Part, float]], colours: Any) -> None:
    """Draw the channels of one figure beside each other, and name the worst of them."""
    if not dots:
        axis.text(place, 1.1, "no floor", fontsize=SMALL - 1, ha="center", color="0.5")
        return
    shift = np.linspace(-0.25, 0.25, len(dots)) if len(dots) > 1 else np.zeros(1)
    finite = [
        (place + d, number, min(max(share, LEAST), MOST))
        for d, (number, _, share) in zip(shift, dots, strict=True)
        if math.isfinite(share)
    ]
    axis.scatter(
        [x for x, _, _ in finite],
        [share for _, _, share in finite],
        s=9,
        c=[colours(number % 10) for _, number, _ in finite],
        linewidths=0,
    )
    lost = [place + d for d, (_, _, share) in zip(shift, dots, strict=True) if not math.isfinite(share)]
    axis.scatter(lost, [MOST / 2] * len(lost), marker="x", s=20, color="tab:red")
    _, worst, share = max(dots, key=lambda dot: dot[2])
    if math.isfinite(share):
        axis.annotate(
            worst.channel[:12],
            (place, min(max(share, LEAST), MOST)),
            xytext=(0, 5),
            textcoords="offset points",
            fontsize=SMALL - 1,
            ha="center",
        )


def _label(name: str) -> str:
    band = name.rpartition("_")[0]
    if not band:
        return "all\nPRDN" if name == "prdn" else "all"
    low, high = BANDS[band]
    return f"{band}\n{low:g}-{high:g} Hz"
