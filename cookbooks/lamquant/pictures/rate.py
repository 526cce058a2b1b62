"""Measures how small files of some recordings become at one error after another."""

import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE
from cookbooks.lamquant.codec.v1 import FIRST_SCHEMA
from cookbooks.lamquant.codec.v1.checkpoint import load_first_checkpoint
from cookbooks.lamquant.codec.v1.coder import FirstRecordingCoder
from cookbooks.lamquant.codec.v1.dct import DctAnchor
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.model import DESCRIPTION, Model, load_model
from cookbooks.lamquant.lqc.rms import fast_rms
from cookbooks.lamquant.lqc.targets import NoiseRatio

RATIOS = (0.10, 0.13, 0.17, 0.22, 0.30, 0.40)
"""RMS error of a channel over its RMS without drift: those of the tiers, and two between."""
MOST_VALUES = 250_000
"""Values of all recordings together that are coded at each error."""
Digital = NDArray[np.int32]


class AtRatio(Protocol):
    """Encodes a recording [C, T] at an error that is a share of each channel's RMS without drift."""

    def encode(self, digital: Digital, rate_hz: float, ratio: float) -> bytes: ...

    def decode(self, data: bytes) -> Digital: ...


@dataclass(frozen=True)
class Chunked:
    """Encodes with a checkpoint of today's codec."""

    model: Model
    threads: int = 1
    profile: Profile = "full"

    def encode(self, digital: Digital, rate_hz: float, ratio: float) -> bytes:
        """Returns the file."""
        target, labels = NoiseRatio(ratio), [""] * len(digital)
        with warnings.catch_warnings():  # what is done otherwise than asked shows in the points
            warnings.simplefilter("ignore")
            return encode(
                digital,
                rate_hz,
                self.model,
                target,
                profile=self.profile,
                channels=labels,
                threads=self.threads,
            )

    def decode(self, data: bytes) -> Digital:
        """Returns the values."""
        return decode(data, self.model)


@dataclass(frozen=True)
class First:
    """Encodes with a checkpoint of the first joint codec, its step moved by as much as the error is."""

    coder: FirstRecordingCoder

    def encode(self, digital: Digital, rate_hz: float, ratio: float) -> bytes:
        """Returns the file."""
        coder = self.coder
        octaves = math.log2(coder.tier.noise_ratio / ratio)
        level = min(max(coder.tier.level + round(LEVELS_PER_OCTAVE * octaves), 0), 2 * LEVEL_ZERO)
        tier = replace(coder.tier, noise_ratio=ratio, level=level)
        own = FirstRecordingCoder(coder.model, coder.entropy, tier, coder.lam, coder.digest)
        return own.encode(digital, rate_hz)

    def decode(self, data: bytes) -> Digital:
        """Returns the values."""
        return self.coder.decode(data)


@dataclass(frozen=True)
class Dct:
    """Encodes by the trained DCT, in blocks of ``block_s`` seconds at any rate."""

    anchor: DctAnchor
    block_s: float

    def encode(self, digital: Digital, rate_hz: float, ratio: float) -> bytes:
        """Returns the file, led by the rate."""
        centred = digital - digital.mean(axis=1, keepdims=True)
        allowed = [ratio * fast_rms(channel, rate_hz) for channel in centred]
        data = self._at(rate_hz).encode(digital, rate_hz, allowed)
        return np.float64(rate_hz).tobytes() + data

    def decode(self, data: bytes) -> Digital:
        """Returns the values."""
        return self._at(float(np.frombuffer(data, "<f8", 1)[0])).decode(data[8:])

    def _at(self, rate_hz: float) -> DctAnchor:
        """Returns the anchor for a rate: a bin of blocks of equal seconds is one frequency at any."""
        scales, block = self.anchor.log_scales, round(self.block_s * rate_hz)
        return DctAnchor(np.pad(scales[:block], (0, max(0, block - len(scales))), mode="edge"))


def at_ratio(checkpoint: Path, threads: int = 1) -> AtRatio:
    """Returns the codec of a checkpoint, of the first version or of today's.

    Raises:
        ValueError: it is neither, or damaged.
    """
    described = json.loads((checkpoint / DESCRIPTION).read_bytes())
    if described.get("schema") == FIRST_SCHEMA:
        return First(load_first_checkpoint(checkpoint).coder)
    return Chunked(load_model(checkpoint), threads)


@dataclass(frozen=True)
class PicturedStretch:
    """Holds values [C, T] of a recording from its beginning; ``width`` bytes each in its acquisition file."""

    digital: Digital
    rate_hz: float
    width: int


def rate_points(
    coder: AtRatio, pieces: Sequence[PicturedStretch], ratios: Iterable[float] = RATIOS
) -> list[list[float]]:
    """Returns PRDN in percent and CR of all pieces together, at each ratio."""
    points = []
    raw = sum(piece.digital.size * piece.width for piece in pieces)
    for ratio in ratios:
        n_bytes, error, energy = 0, 0.0, 0.0
        for piece in pieces:
            data = coder.encode(piece.digital, piece.rate_hz, ratio)
            x = piece.digital.astype(np.float64)
            n_bytes += len(data)
            error += float(((coder.decode(data) - x) ** 2).sum())
            energy += float(((x - x.mean(axis=1, keepdims=True)) ** 2).sum())
        points.append([round(100 * math.sqrt(error / max(energy, 1e-12)), 6), round(raw / n_bytes, 6)])
    return points
