"""Shows what the written checkpoint does to validation data: one score, and a picture of it per band."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.codec.coder import RecordingCoder
from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.validation import mean_figures
from cookbooks.lamquant.gate.metrics import band_pass, measure
from cookbooks.lamquant.signal.bands import BANDS, GATED

LOST = 50.0
"""Percent of error from which a band is called lost, whatever a gate says of the whole."""


@dataclass(frozen=True)
class ValScore:
    """Holds means over the validation recordings, measured on decoded bytes as the verdict's are.

    ``original`` and ``decoded`` [T] in uV are the example to draw, ``where`` says whose it is and when.
    """

    prdn: float
    r: float
    bits_per_sample: float
    original: NDArray[np.float64]
    decoded: NDArray[np.float64]
    rate_hz: float
    where: str


def score_validation(coder: RecordingCoder, corpus: WindowCorpus, seconds: float) -> ValScore:
    """Encode and decode the validation streams as files; PRDN, R, and file bits per sample.

    Raises:
        Refused: if no validation stream can be measured.
    """
    pairs, n_bytes, n_values = [], 0, 0
    example = None
    for stream, length in corpus.val_lengths(seconds):
        signal = np.stack([stream.cut(c, 0, length) for c in range(len(stream.rms))])
        lsb = stream.lsb_uv[:, None]
        data = coder.encode(np.rint(signal / lsb).astype(np.int32), stream.rate_hz)
        back = coder.decode(data) * lsb
        n_bytes += len(data)
        n_values += signal.size
        pairs.append((signal, back))
        if example is None:
            channel = int(np.argmax(stream.rms > 0))
            centre, half = length // 2, round(2 * stream.rate_hz)
            middle = slice(max(0, centre - half), centre + half)
            first, last = (sample / stream.rate_hz for sample in (middle.start, min(middle.stop, length)))
            where = f"validation recording {stream.stem}, channel {channel + 1}, second {first:g} to {last:g}"
            example = signal[channel, middle], back[channel, middle], stream.rate_hz, where
    assert example is not None
    prdn, r = mean_figures(pairs)
    if math.isnan(prdn):
        raise Refused("the validation recordings cannot be measured: add recordings that move")
    return ValScore(prdn, r, 8 * n_bytes / n_values, *example)


def draw_preview(score: ValScore) -> bytes:
    """Draw a PNG of original against reconstruction, full band and per band;
    same bytes for the same score.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 9), dpi=70, layout="constrained")
    axes = figure.subplots(len(GATED) + 1, 1, sharex=True)
    time = np.arange(len(score.original)) / score.rate_hz
    title: dict[str, Any] = {"fontsize": 9, "loc": "left"}
    pair = score.original, score.decoded
    measured = measure(score.original[None], score.decoded[None], score.rate_hz)
    rows = [("full band: PRDN", measured.prdn, measured.r, pair)]
    for band in GATED:
        (low, high), figures = BANDS[band], measured.bands[band]
        original, decoded = (band_pass(s, band, score.rate_hz) for s in pair)
        label = f"{band} {low:g}-{high:g} Hz: PRD"
        rows.append((label, getattr(figures, "prd", None), getattr(figures, "r", None), (original, decoded)))
    for axis, (label, percent, r, (original, decoded)) in zip(axes, rows, strict=True):
        axis.plot(time, original, color="0.55", linewidth=1.6, label="original")
        axis.plot(time, decoded, color="tab:red", linewidth=0.8, label="decoded")
        told = "cannot be measured" if percent is None or r is None else f"{percent:.1f} %, R {r:.3f}"
        lost = percent is not None and percent > LOST
        said = f"{label} {told}{': more than half of this band is lost' if lost else ''}"
        axis.set_title(said, color="tab:red" if lost else "black", **title)
        axis.set_ylabel("µV", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8, loc="upper right")
    axes[-1].set_xlabel("seconds", fontsize=8)
    figure.suptitle(score.where, fontsize=9)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
