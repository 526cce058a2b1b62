"""Fidelity and rate figures of a decoded recording, by the LQS v1 formulas.

All signals are float64 ``[C, T]`` in microvolts, channels of equal length. "Energy" is the sum of squares
over every channel and sample. Source of the formulas: LQS-Bench specification, version 1.0 (metrics and
bands) and 1.1 (level N).

* PRD  = 100 * sqrt(energy(x - y) / energy(x)), DC included.
* PRDN = 100 * sqrt(energy(x - y) / energy(x - mean)), where the mean is taken per channel of the original.
  Only the denominator is mean-removed: an offset error of the codec counts in full.
* For both, a denominator below 1e-12 gives 0 where the residual energy is below 1e-12 too, else 100.
* R is Pearson's correlation of the two streams flattened over channels; where either has a standard
  deviation below 1e-8 it is 1 if the streams are equal and 0 otherwise.
* SNR = 10 * log10(energy(x) / energy(x - y)) dB, at most 120; equal to -20 * log10(PRD / 100).
* A band figure is the same figure of both signals after a rectangular FFT mask of the whole recording,
  ``low <= f < high``. It is computed from the spectra (Parseval), without the inverse transform.
* CR = bytes of the original samples / bytes of the file. QS = CR / PRD.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Signal = NDArray[np.float64]

BANDS: dict[str, tuple[float, float]] = {
    "sub_delta": (0.0, 1.0),
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 100.0),
}
SNR_CAP_DB = 120.0
_NO_ENERGY = 1e-12
_NO_DEVIATION = 1e-8


@dataclass(frozen=True)
class Figures:
    """PRD in percent, Pearson's R, SNR in dB of one signal or of one band of it."""

    prd: float
    r: float
    snr_db: float


@dataclass(frozen=True)
class Fidelity:
    """The figures of one recording. ``bands[name]`` is None where the band cannot be measured."""

    prd: float
    prdn: float
    r: float
    snr_db: float
    bands: dict[str, Figures | None]


def measure(original: ArrayLike, decoded: ArrayLike, rate_hz: float) -> Fidelity:
    """Every fidelity figure of one recording.

    Raises:
        ValueError: if the signals are not ``[C, T]`` of one shape, are empty, hold a value that is not
            finite, or if the rate is not a positive number.
    """
    x, y = _pair(original, decoded)
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz is {rate_hz}: a positive sampling rate is needed")
    overall = _figures(_time_sums(x, y))
    return Fidelity(overall.prd, prdn(x, y), overall.r, overall.snr_db, _bands(x, y, rate_hz))


def prd(original: ArrayLike, decoded: ArrayLike) -> float:
    """Percent root-mean-square difference against the raw energy, DC included."""
    return _figures(_time_sums(*_pair(original, decoded))).prd


def prdn(original: ArrayLike, decoded: ArrayLike) -> float:
    """Percent root-mean-square difference against the energy about each original channel's mean."""
    x, y = _pair(original, decoded)
    residual = sum(_energy(a - b) for a, b in zip(x, y, strict=True))
    return _ratio_percent(residual, sum(_energy(a - a.mean()) for a in x))


def pearson(original: ArrayLike, decoded: ArrayLike) -> float:
    """Pearson's correlation over all channels as one stream."""
    return _figures(_time_sums(*_pair(original, decoded))).r


def snr_db(original: ArrayLike, decoded: ArrayLike) -> float:
    """Signal energy over residual energy in dB, DC included, at most 120."""
    return _figures(_time_sums(*_pair(original, decoded))).snr_db


def band_measurable(band: str, n_samples: int, rate_hz: float) -> bool:
    """Whether the whole band lies at or below the Nyquist frequency and holds a bin of the transform.

    A band that the sampling rate cuts in two is not measured: figures of its lower part would pass for
    figures of the band.
    """
    low, high = BANDS[band]
    first, last = _bins(low, high, n_samples, rate_hz)
    return high <= rate_hz / 2 and last > first


def raw_bytes(n_values: int, bit_depth: int) -> int:
    """Bytes of the samples as an acquisition file holds them: 2 (EDF), 3 (BDF, 24 bit) or 4 each."""
    if not 1 <= bit_depth <= 32:
        raise ValueError(f"bit_depth is {bit_depth}: 1 to 32 is possible")
    return n_values * max(2, -(-bit_depth // 8))


def compression_ratio(original_bytes: int, file_bytes: int) -> float:
    """Bytes of the original samples over bytes of the file, headers and side information included.

    Raises:
        ValueError: if either is not positive; an empty file has no ratio.
    """
    if original_bytes <= 0 or file_bytes <= 0:
        raise ValueError(f"no ratio of {original_bytes} bytes to {file_bytes}: both must be positive")
    return original_bytes / file_bytes


def quality_score(cr: float, prd_percent: float) -> float:
    """CR over PRD; the plain CR where the PRD is not positive."""
    return cr / prd_percent if prd_percent > 0 else cr


@dataclass(frozen=True)
class _Sums:
    """Sums over both streams; the last three are about the mean."""

    n: int
    xx: float
    ee: float
    cxx: float
    cyy: float
    cxy: float


def _pair(original: ArrayLike, decoded: ArrayLike) -> tuple[Signal, Signal]:
    x, y = np.asarray(original, dtype=np.float64), np.asarray(decoded, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"two signals [C, T] of one shape are needed, not {x.shape} and {y.shape}")
    for name, values in (("original", x), ("decoded", y)):
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} signal holds a value that is not finite")
    return x, y


def _energy(x: NDArray[np.float64]) -> float:
    return float(np.vdot(x, x))


def _time_sums(x: Signal, y: Signal) -> _Sums:
    mx, my = x.mean(), y.mean()
    total = np.zeros(5)
    for a, b in zip(x, y, strict=True):  # a channel at a time: no second copy of a long recording
        ca, cb = a - mx, b - my
        total += [_energy(a), _energy(a - b), _energy(ca), _energy(cb), float(np.vdot(ca, cb))]
    return _Sums(x.size, *(float(value) for value in total))


def _ratio_percent(residual: float, reference: float) -> float:
    if reference < _NO_ENERGY:
        return 0.0 if residual < _NO_ENERGY else 100.0
    return 100.0 * math.sqrt(residual / reference)


def _figures(sums: _Sums) -> Figures:
    prd_percent = _ratio_percent(sums.ee, sums.xx)
    snr = SNR_CAP_DB if prd_percent == 0 else min(SNR_CAP_DB, -20 * math.log10(prd_percent / 100))
    if math.sqrt(min(sums.cxx, sums.cyy) / sums.n) < _NO_DEVIATION:
        r = 1.0 if math.sqrt(sums.ee / sums.n) < _NO_DEVIATION else 0.0
    else:
        r = sums.cxy / math.sqrt(sums.cxx) / math.sqrt(sums.cyy)
    return Figures(prd_percent, max(-1.0, min(1.0, r)), snr)


def _bins(low: float, high: float, n_samples: int, rate_hz: float) -> tuple[int, int]:
    frequencies = np.arange(n_samples // 2 + 1) * rate_hz / n_samples
    first, last = np.searchsorted(frequencies, [low, high], side="left")
    return int(first), int(last)


def _bands(x: Signal, y: Signal, rate_hz: float) -> dict[str, Figures | None]:
    n = x.shape[1]
    per_channel = [_channel_sums(x[c], y[c], rate_hz) for c in range(x.shape[0])]
    return {
        band: _figures(_join(band, [sums[band] for sums in per_channel], n))
        if band_measurable(band, n, rate_hz)
        else None
        for band in BANDS
    }


def _channel_sums(x: Signal, y: Signal, rate_hz: float) -> dict[str, NDArray[np.float64]]:
    """Per band: AC energies xx, yy, xy, ee and the two means (zero where the band has no DC)."""
    n = len(x)
    fx, fy, fe = np.fft.rfft(x), np.fft.rfft(y), np.fft.rfft(x - y)
    weight = np.full(len(fx), 2.0 / n)
    weight[0] = 0.0
    if n % 2 == 0:
        weight[-1] = 1.0 / n
    terms = np.stack([np.abs(fx) ** 2, np.abs(fy) ** 2, (fx * fy.conj()).real, np.abs(fe) ** 2]) * weight
    sums = {}
    for band, (low, high) in BANDS.items():
        first, last = _bins(low, high, n, rate_hz)
        means = [fx[0].real / n, fy[0].real / n] if first == 0 else [0.0, 0.0]
        sums[band] = np.concatenate([terms[:, first:last].sum(axis=1), means])
    return sums


def _join(band: str, channels: list[NDArray[np.float64]], n: int) -> _Sums:
    xx, yy, xy, ee = (float(value) for value in np.sum(channels, axis=0)[:4])
    if BANDS[band][0] > 0:
        return _Sums(n * len(channels), xx, ee, xx, yy, xy)
    mx, my = np.array([row[4] for row in channels]), np.array([row[5] for row in channels])
    cx, cy = mx - mx.mean(), my - my.mean()
    return _Sums(
        n=n * len(channels),
        xx=xx + n * _energy(mx),
        ee=ee + n * _energy(mx - my),
        cxx=xx + n * _energy(cx),
        cyy=yy + n * _energy(cy),
        cxy=xy + n * float(np.vdot(cx, cy)),
    )
