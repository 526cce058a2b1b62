"""Draws what a controller decides: states over the signal, with what people have marked above it."""

import itertools
from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import STATE_NAMES
from cookbooks.lamquant.labels.frames import SEEN_CRITICAL, SEEN_INTERESTING, UNLABELLED
from cookbooks.lamquant.pictures.drawing import SMALL, as_png, new_figure

COLOURS = ("#d9d9d9", "#9ecae1", "#fdae6b", "#de2d26")
"""Of QUIET, BASELINE, INTERESTING and CRITICAL."""
_MOST_POINTS = 8000


@dataclass(frozen=True)
class DrawnStates:
    """Holds one recording to draw.

    Attributes:
        signal: microvolts ``[T]`` of one channel.
        labels: uint8 ``[frames]``; ``states`` likewise.
        thresholds: critical scores above which a frame is critical, and at least interesting.
        spent: where each chunk of its file begins, in seconds, and its kilobits a second, ``[chunks, 2]``.
    """

    stem: str
    channel: str
    signal: NDArray[np.floating]
    rate_hz: float
    labels: NDArray[np.uint8]
    states: NDArray[np.uint8]
    scores: FrameScores
    thresholds: tuple[int, int]
    frame_ms: int
    spent: NDArray[np.floating] | None = None


def draw_states(found: DrawnStates) -> bytes:
    """Returns a PNG of labels, signal, probability, bits if known, and states, one above the other."""
    figure = new_figure(11, 5.4 if found.spent is None else 6.6)
    heights = [0.5, 3, 1.6, *([] if found.spent is None else [1.4]), 0.5]
    marks, wave, odds, *rate, below = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    frame_s = found.frame_ms / 1000
    seconds = len(found.states) * frame_s
    of_labels = {UNLABELLED: "white", SEEN_INTERESTING: COLOURS[2], SEEN_CRITICAL: COLOURS[3]}
    for first, end, label in _stretches(found.labels):
        colour = of_labels.get(label, COLOURS[0])
        marks.axvspan(first * frame_s, end * frame_s, color=colour, linewidth=0)
    for first, end, state in _stretches(found.states):
        for axis, alpha in ((below, 1.0), (wave, 0.25)):
            axis.axvspan(first * frame_s, end * frame_s, color=COLOURS[state], alpha=alpha, linewidth=0)
    time = np.arange(len(found.signal)) / found.rate_hz
    step = max(1, len(time) // _MOST_POINTS)
    wave.plot(time[::step], found.signal[::step], color="0.15", linewidth=0.4)
    wave.set_ylabel(f"{found.channel}, µV", fontsize=SMALL)
    reach = float(np.quantile(np.abs(found.signal - np.median(found.signal)), 0.998)) * 1.2 or 1.0
    middle = float(np.median(found.signal))
    wave.set_ylim(middle - reach, middle + reach)
    odds.plot((np.arange(len(found.scores)) + 1) * frame_s, found.scores.p_crit, color="0.15", linewidth=0.8)
    for threshold, colour in zip(found.thresholds, (COLOURS[3], COLOURS[2]), strict=True):
        chance = float(1 / (1 + np.exp(-np.clip(threshold, -4000, 4000) / 256)))
        odds.axhline(chance, color=colour, linewidth=0.9, linestyle="--")
    odds.set_ylim(0, 1)
    odds.set_ylabel("P(critical)", fontsize=SMALL)
    if found.spent is not None:
        (axis,) = rate
        axis.stairs(found.spent[:, 1], [*found.spent[:, 0], seconds], color="0.15", fill=True)
        axis.set_ylim(0, None)
        axis.set_ylabel("kbit/s", fontsize=SMALL)
    for axis, name in ((marks, "marked"), (below, "state")):
        axis.set_yticks([])
        axis.set_ylabel(name, fontsize=SMALL, rotation=0, ha="right", va="center")
    for axis in (marks, wave, odds, *rate, below):
        axis.tick_params(labelsize=SMALL)
        axis.set_xlim(0, seconds)
    below.set_xlabel(f"seconds of {found.stem}", fontsize=SMALL)
    handles = [Patch(color=colour) for colour in COLOURS]
    figure.legend(handles, STATE_NAMES, loc="outside upper center", ncols=4, fontsize=SMALL, frameon=False)
    return as_png(figure)


def _stretches(values: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return [(a, b, int(values[a])) for a, b in itertools.pairwise(bounds) if b > a]
