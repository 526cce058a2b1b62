"""Filters a recording a piece at a time, as if it were filtered as a whole: resampling and high-pass.

Both filters forget: what lies further away than `halo` adds less to a sample than float64 resolves. So a
piece is filtered together with a halo on either side, which is then cut off, and memory does not depend on
how long the recording is.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

MAX_RATIO = 10_000
SETTLED = 8.0
"""Periods of the corner frequency after which the high-pass has forgotten: its response falls with
exp(-4.44 periods), by the real part of the poles of a second-order Butterworth filter; 4e-16 here."""
LEVEL_SAMPLES = 1 << 17
"""Samples at the beginning of a recording whose mean stands for its offset."""
GROUP_VALUES = 8 << 20
"""Samples of all channels that are held at once, where a piece is not larger with a single channel."""

Microvolts = NDArray[np.float64]


class Readable(Protocol):
    """Says what is needed of a recording."""

    @property
    def rate_hz(self) -> float:
        """Returns the samples per second."""
        ...

    @property
    def n_samples(self) -> int:
        """Returns the samples of each channel."""
        ...

    @property
    def scale(self) -> Microvolts:
        """Returns the microvolts of one digital unit, by channel."""
        ...

    @property
    def offset(self) -> Microvolts:
        """Returns the microvolts at zero, by channel."""
        ...

    def read(self, start: int, stop: int, rows: Sequence[int] | slice = ...) -> NDArray[np.int32]:
        """Returns the integers ``[rows, stop - start]``."""
        ...


def rate_ratio(source_rate_hz: float, rate_hz: float) -> tuple[int, int] | None:
    """Returns up- and down-sampling factors from one rate to the other; None where there are none.

    They come within a ten-thousandth of the rate, as near as factors up to 10 000 can: a clock that says
    199.9992 Hz is taken for one of 200 Hz.
    """
    exact = Fraction(rate_hz) / Fraction(source_rate_hz)
    fraction = exact.limit_denominator(max(1, int(MAX_RATIO / max(1.0, float(exact)))))
    if fraction.numerator > MAX_RATIO or abs(fraction / exact - 1) > Fraction(1, 10_000):
        return None
    return fraction.numerator, fraction.denominator


def highpass(x: Microvolts, rate_hz: float, corner_hz: float, pad: int) -> Microvolts:
    """Apply a second-order Butterworth high-pass, forwards and backwards, along the last axis.

    The ends are extended by odd reflection over ``pad`` samples.
    """
    sos = butter(2, corner_hz, "highpass", fs=rate_hz, output="sos")
    return sosfiltfilt(sos, x, axis=-1, padlen=pad)


class FilteredRecording:
    """Gives any piece of a recording in microvolts, resampled and high-passed.

    Args:
        recording: what is read.
        rows: its channels, by index.
        factors: up- and down-sampling.
        rate_hz: the rate that results, as far as filters are concerned.
        corner_hz: of the high-pass.
    """

    def __init__(
        self,
        recording: Readable,
        rows: Sequence[int],
        factors: tuple[int, int],
        rate_hz: float,
        corner_hz: float,
    ) -> None:
        self._recording, self._rows = recording, list(rows)
        self._up, self._down = factors
        self._rate_hz, self._corner_hz = rate_hz, corner_hz
        self.n_samples = -(-recording.n_samples * self._up // self._down)
        """Samples of each channel after resampling."""
        self.halo = int(np.ceil(SETTLED * rate_hz / corner_hz))
        """Samples on either side of a piece that are filtered with it."""

    def source(self, start: int, stop: int) -> tuple[int, int]:
        """Returns between which samples of the recording samples ``start`` to ``stop`` of the result lie."""
        low = start * self._down // self._up
        return low, min(-(-stop * self._down // self._up), self._recording.n_samples)

    def channels(self, start: int, stop: int) -> Iterator[tuple[NDArray[np.int32], Microvolts]]:
        """Yields each channel's samples ``start`` to ``stop``: the integers there, and what is filtered."""
        first, last = max(0, start - self.halo), min(self.n_samples, stop + self.halo)
        low, high = self._reach(first, last)
        inside = slice(*(edge - low for edge in self.source(start, stop)))
        for group in self._groups(high - low):
            for row, digital in zip(group, self._recording.read(low, high, group), strict=True):
                y = self._resampled(row, digital, low, first, last)
                pad = min(self.n_samples - 1, int(np.ceil(self._rate_hz / self._corner_hz)))
                y = highpass(y, self._rate_hz, self._corner_hz, pad)
                yield digital[inside], y[start - first : stop - first]

    def _reach(self, first: int, last: int) -> tuple[int, int]:
        """Returns the stretch of the recording that samples ``first`` to ``last`` depend on."""
        if self._up == self._down:
            return first, last
        low, high = self.source(first, last)
        taps = 10 * max(self._up, self._down) // self._up + 2  # half of resample_poly's filter
        low = max(0, low - taps) // self._down * self._down  # where a sample of the result lies on one of it
        return low, min(self._recording.n_samples, high + taps)

    def _resampled(self, row: int, digital: NDArray[np.int32], low: int, first: int, last: int) -> Microvolts:
        x = digital * self._recording.scale[row] + self._recording.offset[row]
        if self._up == self._down:
            return x
        # beta 8.6 stops images at about -86 dB; those of a large offset would still be seen, so it goes first
        x = x - self._levels[self._rows.index(row)]
        y = resample_poly(x, self._up, self._down, window=("kaiser", 8.6), padtype="antireflect")
        begins = low // self._down * self._up
        return y[first - begins : last - begins]

    @cached_property
    def _levels(self) -> Microvolts:
        return np.concatenate([self._levels_of(group) for group in self._groups(LEVEL_SAMPLES)])

    def _levels_of(self, rows: list[int]) -> Microvolts:
        digital = self._recording.read(0, LEVEL_SAMPLES, rows)
        scale, offset = self._recording.scale[rows], self._recording.offset[rows]
        return np.array([(d * s + o).mean() for d, s, o in zip(digital, scale, offset, strict=True)])

    def _groups(self, samples: int) -> Iterator[list[int]]:
        """Yields the channels, so many at a time that their samples fit into memory."""
        size = max(1, GROUP_VALUES // samples)
        for at in range(0, len(self._rows), size):
            yield self._rows[at : at + size]
