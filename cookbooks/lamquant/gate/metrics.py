"""Computes fidelity and rate of a decoded recording, by the LQS v1 formulas.

All signals are float64 ``[C, T]`` in microvolts, channels of equal length. "Energy" is the sum of squares
over every channel and sample. Source of the formulas: LQS-Bench specification, version 1.0 (metrics and
bands) and 1.1 (level N).

* PRD  = 100 * sqrt(energy(x - y) / energy(x)), DC included.
* PRDN = 100 * sqrt(energy(x - y) / energy(x - mean)), where the mean is taken per channel of the original.
  Only the denominator is mean-removed: an offset error of the codec counts in full.
* R is Pearson's correlation of the two streams flattened over channels.
* SNR = 10 * log10(energy(x) / energy(x - y)) dB, at most 120; equal to -20 * log10(PRD / 100).
* A band figure is the same figure of both signals after a rectangular FFT mask of the whole recording,
  ``low <= f < high``. It is computed from the spectra (Parseval), without the inverse transform.
* CR = bytes of the original samples / bytes of the file. QS = CR / PRD.

In one thing they are stricter than LQS: a figure is None, and so meets no floor, where it cannot be
measured: where a denominator holds no energy that float64 can tell from rounding (LQS calls silence
perfect), or where any step of the computation is not finite. Each signal is first divided by its largest
value, so the unit decides nothing: 1e-9 uV are measured as 1e9 uV are.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cookbooks.lamquant.signal.bands import BANDS

Signal = NDArray[np.float64]

SNR_CAP_DB = 120.0
NO_ENERGY = 1e-24
"""Share of a signal's raw energy, rounding errors of float64 (about 1e-32) and some more, that is nothing."""


@dataclass(frozen=True)
class Figures:
    """Holds PRD in percent, Pearson's R, SNR in dB of one signal or band of it; None where unmeasurable."""

    prd: float | None
    r: float | None
    snr_db: float | None


@dataclass(frozen=True)
class Fidelity:
    """Holds the figures of a recording or a channel. ``bands[name]`` is None where there is no such band."""

    prd: float | None
    prdn: float | None
    r: float | None
    snr_db: float | None
    bands: dict[str, Figures | None]


def measure(original: ArrayLike, decoded: ArrayLike, rate_hz: float) -> Fidelity:
    """Returns every fidelity figure of one recording, all channels together.

    Raises:
        ValueError: if the signals are not ``[C, T]`` of one shape, are empty, hold a value that is not
            finite, or if the rate is not a positive number.
    """
    return measure_parts(original, decoded, rate_hz)[0]


def measure_parts(original: ArrayLike, decoded: ArrayLike, rate_hz: float) -> tuple[Fidelity, list[Fidelity]]:
    """Returns every fidelity figure of the recording, and of each of its channels alone.

    Raises:
        ValueError: if the signals are not ``[C, T]`` of one shape, are empty, hold a value that is not
            finite, or if the rate is not a positive number.
    """
    x, y = _pair(original, decoded)
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz is {rate_hz}: a positive sampling rate is needed")
    with np.errstate(all="ignore"):  # what is not finite becomes None
        rows, bands, n = _time_rows(x, y), _band_rows(x, y, rate_hz), x.shape[1]
        channels = [
            _fidelity(rows[[c]], {band: all_rows[[c]] for band, all_rows in bands.items()}, n)
            for c in range(len(x))
        ]
        return _fidelity(rows, bands, n), channels


def prd(original: ArrayLike, decoded: ArrayLike) -> float | None:
    """Returns the percent root-mean-square difference against the raw energy, DC included."""
    return _whole(original, decoded).prd


def prdn(original: ArrayLike, decoded: ArrayLike) -> float | None:
    """Returns the percent root-mean-square difference against the energy about each original channel's
    mean.
    """
    return _whole(original, decoded).prdn


def pearson(original: ArrayLike, decoded: ArrayLike) -> float | None:
    """Returns Pearson's correlation over all channels as one stream."""
    return _whole(original, decoded).r


def snr_db(original: ArrayLike, decoded: ArrayLike) -> float | None:
    """Returns signal energy over residual energy in dB, DC included, at most 120."""
    return _whole(original, decoded).snr_db


def band_measurable(band: str, n_samples: int, rate_hz: float) -> bool:
    """Says whether the whole band lies at or below the Nyquist frequency and holds a bin of the transform.

    A band that the sampling rate cuts in two is not measured: figures of its lower part would pass for
    figures of the band.
    """
    low, high = BANDS[band]
    first, last = _bins(low, high, n_samples, rate_hz)
    return high <= rate_hz / 2 and last > first


def band_pass(signal: Signal, band: str, rate_hz: float) -> Signal:
    """Returns the part of a signal ``[..., T]`` that the figures of a band are about."""
    n = signal.shape[-1]
    first, last = _bins(*BANDS[band], n, rate_hz)
    spectrum = np.fft.rfft(signal)
    spectrum[..., :first] = 0
    spectrum[..., last:] = 0
    return np.fft.irfft(spectrum, n)


def raw_bytes(n_values: int, bit_depth: int) -> int:
    """Returns the bytes of the samples as an acquisition file holds them:
    2 (EDF), 3 (BDF, 24 bit) or 4 each.
    """
    if not 1 <= bit_depth <= 32:
        raise ValueError(f"bit_depth is {bit_depth}: 1 to 32 is possible")
    return n_values * max(2, -(-bit_depth // 8))


def compression_ratio(original_bytes: int, file_bytes: int) -> float:
    """Returns the bytes of the original samples over bytes of the file,
    headers and side information included.

    Raises:
        ValueError: if either is not positive; an empty file has no ratio.
    """
    if original_bytes <= 0 or file_bytes <= 0:
        raise ValueError(f"no ratio of {original_bytes} bytes to {file_bytes}: both must be positive")
    return original_bytes / file_bytes


def quality_score(cr: float, prd_percent: float) -> float:
    """Returns CR over PRD; the plain CR where the PRD is not positive."""
    return cr / prd_percent if prd_percent > 0 else cr


def finite(value: float) -> float | None:
    """Returns the value, or None where it is not a finite number."""
    return float(value) if math.isfinite(value) else None


def peak(x: Signal) -> float:
    """Returns what a signal is divided by before its squares are added up:
    its largest magnitude, or 1 for zeros.
    """
    return float(np.abs(x).max()) or 1.0


def _pair(original: ArrayLike, decoded: ArrayLike) -> tuple[Signal, Signal]:
    x, y = np.asarray(original, dtype=np.float64), np.asarray(decoded, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"two signals [C, T] of one shape are needed, not {x.shape} and {y.shape}")
    for name, values in (("original", x), ("decoded", y)):
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} signal holds a value that is not finite")
    return x, y


def _whole(original: ArrayLike, decoded: ArrayLike) -> Fidelity:
    x, y = _pair(original, decoded)
    with np.errstate(all="ignore"):
        return _fidelity(_time_rows(x, y), {}, x.shape[1])


def _energy(x: Signal) -> float:
    return float(np.vdot(x, x))


# A row holds, for one channel: energies about the mean of x, y and x - y, their product sum xy, and the
# means of x, y and x - y. x and x - y are in units of peak(x), y of peak(y); R needs no common unit.
_XX, _YY, _EE, _XY, _MX, _MY, _ME = range(7)


def _time_rows(x: Signal, y: Signal) -> Signal:
    px, py = peak(x), peak(y)
    rows = np.empty((len(x), 7))
    for row, a, b in zip(rows, x, y, strict=True):  # a channel at a time: no second copy of a long recording
        a, b, e = a / px, b / py, a / px - b / px
        means = a.mean(), b.mean(), e.mean()
        a, b, e = (signal - mean for signal, mean in zip((a, b, e), means, strict=True))
        row[:] = _energy(a), _energy(b), _energy(e), float(np.vdot(a, b)), *means
    return rows


def _band_rows(x: Signal, y: Signal, rate_hz: float) -> dict[str, Signal]:
    """Returns the rows of each band that can be measured."""
    n, px, py = x.shape[1], peak(x), peak(y)
    spans = {b: _bins(*BANDS[b], n, rate_hz) for b in BANDS if band_measurable(b, n, rate_hz)}
    rows = {band: np.zeros((len(x), 7)) for band in spans}
    for c, (a, b) in enumerate(zip(x, y, strict=True)):
        fx, fy, fe = np.fft.rfft(a / px), np.fft.rfft(b / py), np.fft.rfft(a / px - b / px)
        # each bin but DC stands for two; the one at the Nyquist frequency lies in no half-open band
        terms = np.stack([_power(fx), _power(fy), _power(fe), (fx * fy.conj()).real]) * (2 / n)
        for band, (first, last) in spans.items():
            row = rows[band][c]
            row[:4] = terms[:, max(first, 1) : last].sum(axis=1)
            if first == 0:
                row[4:] = [f[0].real / n for f in (fx, fy, fe)]
    return rows


def _power(spectrum: NDArray[np.complex128]) -> Signal:
    return spectrum.real**2 + spectrum.imag**2


def _bins(low: float, high: float, n_samples: int, rate_hz: float) -> tuple[int, int]:
    frequencies = np.arange(n_samples // 2 + 1) * rate_hz / n_samples
    first, last = np.searchsorted(frequencies, [low, high], side="left")
    return int(first), int(last)


def _fidelity(whole: Signal, bands: dict[str, Signal], n: int) -> Fidelity:
    raw_x, raw_y = _raw(whole, _XX, _MX, n), _raw(whole, _YY, _MY, n)
    figures = _figures(whole, n, raw_x, raw_y)
    residual, about_means = _raw(whole, _EE, _ME, n), float(whole[:, _XX].sum())
    return Fidelity(
        figures.prd,
        _percent(residual, about_means, raw_x),
        figures.r,
        figures.snr_db,
        {b: _figures(bands[b], n, raw_x, raw_y) if b in bands else None for b in BANDS},
    )


def _raw(rows: Signal, energy: int, mean: int, n: int) -> float:
    """Returns the energy with DC."""
    return float(rows[:, energy].sum() + n * _energy(rows[:, mean]))


def _figures(rows: Signal, n: int, raw_x: float, raw_y: float) -> Figures:
    """Returns the figures of rows joined to one stream;
    ``raw_x`` and ``raw_y`` are energies of the full band.
    """
    prd_percent = _percent(_raw(rows, _EE, _ME, n), _raw(rows, _XX, _MX, n), raw_x)
    mx, my = rows[:, _MX] - rows[:, _MX].mean(), rows[:, _MY] - rows[:, _MY].mean()
    xx, yy = rows[:, _XX].sum() + n * _energy(mx), rows[:, _YY].sum() + n * _energy(my)
    r = None
    if xx > NO_ENERGY * raw_x and yy > NO_ENERGY * raw_y:
        r = finite((rows[:, _XY].sum() + n * float(np.vdot(mx, my))) / math.sqrt(xx) / math.sqrt(yy))
    return Figures(prd_percent, None if r is None else max(-1.0, min(1.0, r)), _decibels(prd_percent))


def _percent(residual: float, reference: float, raw: float) -> float | None:
    """Returns 100 * sqrt(residual / reference); None where the reference is nothing beside ``raw``."""
    if not reference > NO_ENERGY * raw:
        return None
    return finite(100.0 * math.sqrt(residual / reference))


def _decibels(prd_percent: float | None) -> float | None:
    if prd_percent is None:
        return None
    return SNR_CAP_DB if prd_percent == 0 else min(SNR_CAP_DB, -20 * math.log10(prd_percent / 100))
