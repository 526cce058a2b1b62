"""Draws the worst stretch of a comparison: both signals, their difference, and spectrograms of all."""

import io
from typing import Any

import numpy as np

from cookbooks.lamquant.codec_command.compare import STRETCH_S, Worst

ORIGINAL, DECODED, ERROR = "#222222", "#0072b2", "#d55e00"
"""Colours that can be told apart by everybody."""
FLOOR_DB = -40
"""Of a spectrogram, below the largest value of the original."""


def drawn(worst: Worst) -> bytes:
    """Returns a PNG; the same bytes for the same signals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), dpi=110, layout="constrained")
    axes = figure.subplots(3, 2, sharex=True)
    error = worst.original - worst.decoded
    time = worst.from_s + np.arange(len(worst.original)) / worst.rate_hz
    rows = (
        ("original", worst.original, ORIGINAL),
        ("decoded", worst.decoded, DECODED),
        ("error", error, ERROR),
    )
    limit = float(np.abs(worst.original - worst.original.mean()).max()) or 1.0
    middle = float(worst.original.mean())
    for (name, signal, colour), (left, right) in zip(rows, axes, strict=True):
        centre = 0.0 if name == "error" else middle
        left.plot(time, signal, color=colour, linewidth=0.7)
        left.set_ylim(centre - 1.05 * limit, centre + 1.05 * limit)
        left.set_title(f"{name}, {worst.unit or 'units'}", loc="left", fontsize=9)
        left.axvspan(worst.start_s, worst.start_s + STRETCH_S, color="#999999", alpha=0.15, linewidth=0)
        _spectrogram(right, signal - signal.mean(), worst, limit)
        right.set_title(f"{name}, Hz", loc="left", fontsize=9)
    figure.suptitle(f"{worst.label}, worst {STRETCH_S:g} s (grey)", fontsize=10)
    axes[0][0].set_xlim(time[0], time[-1])
    for axis in axes[-1]:
        axis.set_xlabel("seconds of the recording", fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _spectrogram(axis: Any, signal: np.ndarray, worst: Worst, limit: float) -> None:
    window = max(8, min(len(signal), round(worst.rate_hz)))
    step = max(1, window // 8)
    starts = np.arange(0, len(signal) - window + 1, step)
    shape = np.hanning(window)
    frames = np.stack([signal[start : start + window] * shape for start in starts], 1)
    power = np.abs(np.fft.rfft(frames, axis=0)) * 2 / shape.sum()
    decibels = 20 * np.log10(np.maximum(power, 1e-12) / limit)
    extent = (
        worst.from_s + window / 2 / worst.rate_hz,
        worst.from_s + (starts[-1] + window / 2) / worst.rate_hz,
        0.0,
        worst.rate_hz / 2,
    )
    axis.imshow(decibels, aspect="auto", origin="lower", extent=extent, vmin=FLOOR_DB, vmax=0, cmap="magma")
