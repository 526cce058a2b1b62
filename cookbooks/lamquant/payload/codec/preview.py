"""What the written checkpoint does to validation data: one score, and a picture of it per band."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.payload.codec.coder import RecordingCoder
from cookbooks.lamquant.payload.codec.data import Corpus
from cookbooks.lamquant.payload.codec.training import quality

BANDS: dict[str, tuple[float, float]] = {
    "delta": (1, 4),
    "theta": (4, 8),
    "alpha": (8, 12),
    "beta": (13, 30),
    "gamma": (30, 100),
}
"""LQS 1.0 band edges in Hz, half-open."""


@dataclass(frozen=True)
class ValScore:
    """Measured on decoded bytes. ``original`` and ``decoded`` [T] in uV are the example to draw."""

    prdn: float
    r: float
    bits_per_sample: float
    original: NDArray[np.float64]
    decoded: NDArray[np.float64]
    rate_hz: float


def score_validation(coder: RecordingCoder, corpus: Corpus, seconds: float) -> ValScore:
    """Encode and decode the validation streams as files; PRDN, R, and file bits per sample."""
    originals, decodeds, n_bytes = [], [], 0
    example = None
    for stream, length in corpus.val_lengths(seconds):
        signal = np.stack([stream.cut(c, 0, length) for c in range(len(stream.rms))])
        lsb = stream.lsb_uv[:, None]
        data = coder.encode(np.rint(signal / lsb).astype(np.int32), stream.rate_hz)
        back = coder.decode(data) * lsb
        n_bytes += len(data)
        scale = np.where(stream.rms > 0, stream.rms, 1.0)[:, None]
        originals.append((signal / scale).ravel())
        decodeds.append((back / scale).ravel())
        if example is None:
            channel = int(np.argmax(stream.rms > 0))
            centre, half = length // 2, round(2 * stream.rate_hz)
            middle = slice(max(0, centre - half), centre + half)
            example = signal[channel, middle], back[channel, middle], stream.rate_hz
    assert example is not None
    x = np.concatenate(originals)
    score = quality(x, np.concatenate(decodeds))
    return ValScore(score["prdn"], score["r"], 8 * n_bytes / len(x), *example)


def band_pass(signal: NDArray[np.float64], low: float, high: float, rate_hz: float) -> NDArray[np.float64]:
    """Rectangular half-open [low, high) mask in the Fourier domain (LQS 1.0)."""
    spectrum = np.fft.rfft(signal)
    frequency = np.fft.rfftfreq(len(signal), 1 / rate_hz)
    spectrum[(frequency < low) | (frequency >= high)] = 0
    return np.fft.irfft(spectrum, len(signal))


def draw_preview(score: ValScore) -> bytes:
    """PNG of original against reconstruction, full band and per band; the same bytes for the same score."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 9), dpi=70, layout="constrained")
    axes = figure.subplots(len(BANDS) + 1, 1, sharex=True)
    time = np.arange(len(score.original)) / score.rate_hz
    title: dict[str, Any] = {"fontsize": 9, "loc": "left"}
    rows = {"full band": (score.original, score.decoded)}
    for name, (low, high) in BANDS.items():
        original, decoded = (band_pass(s, low, high, score.rate_hz) for s in rows["full band"])
        rows[f"{name} {low:g}-{high:g} Hz"] = original, decoded
    for axis, (name, (original, decoded)) in zip(axes, rows.items(), strict=True):
        axis.plot(time, original, color="0.55", linewidth=1.6, label="original")
        axis.plot(time, decoded, color="tab:red", linewidth=0.8, label="decoded")
        measured = quality(original, decoded)
        axis.set_title(f"{name}: PRDN {measured['prdn']:.1f} %, R {measured['r']:.3f}", **title)
        axis.set_ylabel("µV", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8, loc="upper right")
    axes[-1].set_xlabel("seconds", fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
