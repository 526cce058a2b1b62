"""Finds the worst ten seconds of the decoded recordings, and draws them: signals, error, spectrograms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.gate.stretches import measure_stretches
from cookbooks.lamquant.pictures.drawing import SMALL, as_png, new_figure

SECONDS = 10.0
TOP_HZ = 100.0
RANGE_DB = 50.0
Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """Holds ten seconds of one channel; ``original`` and ``decoded`` [T] in uV, ``prdn`` in percent."""

    patient: str
    recording: str
    channel: str
    from_s: float
    prdn: float
    rate_hz: float
    original: Signal
    decoded: Signal


def worst_stretch(recording: Recording, decoded: NDArray[np.integer], patient: str) -> Stretch | None:
    """Returns the ten seconds of a recording with the largest PRDN; None where no stretch can be measured."""
    worst = None
    for row, name in enumerate(recording.channels):
        scale, offset = recording.scale[row], recording.offset[row]
        x, y = recording.digital[row] * scale + offset, decoded[row] * scale + offset
        found = measure_stretches(recording.digital[row], x, y, round(SECONDS * recording.rate_hz))
        if not np.isfinite(found.prdn).any():
            continue
        at = int(np.nanargmax(found.prdn))
        if worst is None or found.prdn[at] > worst.prdn:
            first = int(found.starts[at])
            part = slice(first, first + found.samples)
            from_s, prdn = first / recording.rate_hz, float(found.prdn[at])
            where = (patient, recording.stem, name, from_s, prdn, recording.rate_hz)
            worst = Stretch(*where, x[part], y[part])
    return worst


def draw_worst(stretch: Stretch) -> bytes:
    """Returns a PNG of the stretch: original and decoded, the error, and a spectrogram of each."""
    error = stretch.decoded - stretch.original
    time = stretch.from_s + np.arange(len(error)) / stretch.rate_hz
    figure = new_figure(9, 7)
    grid = figure.add_gridspec(3, 3, height_ratios=(3, 1.6, 3))
    signals = figure.add_subplot(grid[0, :])
    signals.plot(time, stretch.original, color="0.6", linewidth=1.6, label="original")
    signals.plot(time, stretch.decoded, color="tab:red", linewidth=0.8, label="decoded")
    signals.legend(fontsize=SMALL, loc="upper right", ncols=2)
    last = stretch.from_s + len(error) / stretch.rate_hz
    where = f"patient {stretch.patient}, recording {stretch.recording}, channel {stretch.channel}"
    said = f"{where}\nsecond {stretch.from_s:g} to {last:g}: PRDN {stretch.prdn:.1f} %"
    signals.set_title(said, fontsize=SMALL + 1, loc="left")
    errors = figure.add_subplot(grid[1, :], sharex=signals)
    errors.plot(time, error, color="tab:blue", linewidth=0.8)
    errors.set_title("error (decoded - original)", fontsize=SMALL, loc="left")
    for axis in (signals, errors):
        axis.set_ylabel("µV", fontsize=SMALL)
        axis.set_xlim(time[0], time[-1])
        axis.set_xlabel("second of the recording" if axis is errors else "", fontsize=SMALL)
    drawn = [("original", stretch.original), ("decoded", stretch.decoded), ("error", error)]
    powers = [(name, *spectrogram(signal, stretch.rate_hz)) for name, signal in drawn]
    top = max(float(power.max()) for _, _, power in powers[:2])
    image = None
    for column, (name, hertz, power) in enumerate(powers):
        axis = figure.add_subplot(grid[2, column])
        image = axis.imshow(
            power,
            origin="lower",
            aspect="auto",
            extent=(time[0], time[-1], 0, float(hertz[-1])),
            vmin=top - RANGE_DB,
            vmax=top,
            cmap="viridis",
        )
        axis.set_title(name, fontsize=SMALL, loc="left")
        axis.set_xlabel("second of the recording", fontsize=SMALL)
        axis.set_ylabel("Hz" if column == 0 else "", fontsize=SMALL)
    assert image is not None
    bar = figure.colorbar(image, ax=figure.axes[2:])
    bar.set_label("dB (µV²/Hz)", fontsize=SMALL)
    for axis in figure.axes:
        axis.tick_params(labelsize=SMALL)
    return as_png(figure)


def spectrogram(x: Signal, rate_hz: float) -> tuple[Signal, Signal]:
    """Returns frequencies [K] in Hz, at most 100, and power [K, N] in dB of 1 uV^2/Hz, in Hann windows of a
    second that begin every sixteenth of one.
    """
    width = min(len(x), max(8, round(rate_hz)))
    hop = max(1, width // 16)
    frames = np.lib.stride_tricks.sliding_window_view(x, width)[::hop]
    window = np.hanning(width + 2)[1:-1]
    spectra = np.fft.rfft((frames - frames.mean(1, keepdims=True)) * window)
    power = 2 * np.abs(spectra) ** 2 / (rate_hz * float(window @ window))
    hertz = np.arange(power.shape[1]) * rate_hz / width
    kept = hertz <= TOP_HZ
    return hertz[kept], np.asarray(10 * np.log10(np.maximum(power[:, kept].T, 1e-12)), np.float64)
