"""Finds the constant level that serves critical seconds as well as a course does, and what it costs in bytes.

This is what a controller has to beat: the same checkpoint, the same recordings, the same error where it
matters, and one level all the time.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.codec import FollowingCodec, ReadRecording, source_of
from cookbooks.lamquant.adaptive.fidelity import PartSums, pooled, sums_of
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.encode import encode_stream
from cookbooks.lamquant.lqc.targets import Level

PER_LEVEL = 16
"""Steps have sixteen indices a level: nothing lies between."""
NEAR = 0.997
"""An error that uses up so much of what it may be is near enough: an index costs a percent of bytes."""

Errors = Callable[[float], float]


@dataclass(frozen=True)
class ConstantLevel:
    """Holds the coarsest constant level that serves critical seconds as well, and what was found of it.

    Attributes:
        level: of the model's range; the finest if none serves as well.
        prdn: error in critical seconds at it, percent.
        n_bytes: of all recordings.
    """

    level: float
    prdn: float
    n_bytes: int


def coarsest(wanted: float, levels: tuple[int, int], error: Errors) -> tuple[float, float]:
    """Returns the coarsest level whose error is at most ``wanted``, and that error.

    The error falls as the level rises, about exponentially, so two known levels foretell the one between.
    Where even the finest level errs more, it is returned: what a finer one would cost is more.

    Args:
        wanted: percent.
        levels: least and largest.
        error: gives the error at a level; it is called a handful of times.
    """
    low, high = levels[0] * PER_LEVEL, levels[1] * PER_LEVEL
    found = {at: error(at / PER_LEVEL) for at in (low, high)}
    if found[high] > wanted:
        return high / PER_LEVEL, found[high]
    if found[low] <= wanted:
        return low / PER_LEVEL, found[low]
    while high - low > 1 and not NEAR * wanted <= found[high] <= wanted:
        above, below = math.log(found[low] / wanted), math.log(found[high] / wanted)
        guess = math.ceil(low + (high - low) * above / (above - below))
        at = min(max(guess, low + 1), high - 1)
        found[at] = error(at / PER_LEVEL)
        low, high = (low, at) if found[at] <= wanted else (at, high)
    return high / PER_LEVEL, found[high]


class Constant:
    """Encodes recordings at one level, and measures them; what was coded is not coded again."""

    def __init__(
        self,
        codec: FollowingCodec,
        recordings: Mapping[str, ReadRecording],
        critical: Mapping[str, NDArray[np.bool_]],
        threads: int = 1,
        told: Callable[[int], object] = lambda n_coded: None,
    ) -> None:
        """Say what is encoded.

        Args:
            codec: whose model and profile are used.
            recordings: by stem.
            critical: which of the samples [T] of each are critical.
            threads: how many encode.
            told: called with how many files were made.
        """
        self._codec, self._recordings, self._critical, self._threads = codec, recordings, critical, threads
        self._told = told
        self._bytes: dict[tuple[str, float], int] = {}
        self._sums: dict[tuple[str, float], PartSums] = {}

    def find(self, wanted: float) -> ConstantLevel:
        """Returns the coarsest level whose error in critical seconds is at most ``wanted`` percent."""
        level, prdn = coarsest(wanted, self._codec.model.levels, self.error)
        return ConstantLevel(level, prdn, sum(self._coded(stem, level) for stem in self._recordings))

    def error(self, level: float) -> float:
        """Returns the error in the critical seconds of all recordings at a level, in percent."""
        stems = [stem for stem, critical in self._critical.items() if critical.any()]
        for stem in stems:
            self._coded(stem, level)
        prdn = pooled(self._sums[stem, level] for stem in stems).prdn
        if prdn is None:
            raise ValueError("no recording has a critical second: nothing to compare at")
        return prdn

    def _coded(self, stem: str, level: float) -> int:
        """Returns the bytes of a recording at a level; what it gives in critical seconds is kept."""
        if (stem, level) not in self._bytes:
            recording, out = self._recordings[stem], io.BytesIO()
            encode_stream(
                [source_of(recording)],
                out,
                self._codec.model,
                Level(level),
                profile=self._codec.profile,
                threads=self._threads,
            )
            if self._critical[stem].any():
                decoded = Decoder(out.getvalue(), self._codec.model, threads=self._threads).read_all()
                original = recording.read(0, recording.n_samples)
                (self._sums[stem, level],) = sums_of(original, decoded, [self._critical[stem]])
            self._bytes[stem, level] = len(out.getvalue())
            self._told(len(self._bytes))
        return self._bytes[stem, level]
