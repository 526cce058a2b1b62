"""Reads training windows as continuous streams, and draws the augmented crops that training learns from."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE
from cookbooks.lamquant.lqc.rms import fast_rms

SCHEMA = "blut.windows.v1"
HOLD_OUT = 0.1
STEP_JITTER = 0.75
"""Octaves around the tier's step that a model is trained for, so that the encoder may adapt it."""


class WindowsError(Refused, ValueError):
    """Says that the windows directory cannot be trained on; the message names file, field and remedy."""


@dataclass(frozen=True)
class Stream:
    """Holds consecutive windows [n, C, W] of one recording (memory-mapped);
    RMS per channel, drift excluded.
    """

    stem: str
    rate_hz: float
    windows: NDArray[np.float32]
    rms: NDArray[np.float64]
    lsb_uv: NDArray[np.float64]

    @property
    def n_samples(self) -> int:
        """Returns the number of samples per channel."""
        return self.windows.shape[0] * self.windows.shape[2]

    def cut(self, channel: int, start: int, length: int) -> NDArray[np.float64]:
        """Returns ``length`` samples of a channel; mirrored where the stream is too short."""
        width = self.windows.shape[2]
        first, last = start // width, -(-min(start + length, self.n_samples) // width)
        flat = self.windows[first:last, channel].reshape(-1)[start - first * width :][:length]
        return np.pad(flat.astype(np.float64), (0, length - len(flat)), mode="symmetric")

    def part(self, first: int, last: int) -> "Stream":
        """Returns windows ``first`` to ``last`` as a stream of its own."""
        windows = self.windows[first:last]
        return Stream(self.stem, self.rate_hz, windows, _rms(windows, self.rate_hz), self.lsb_uv)


@dataclass(frozen=True)
class WindowCorpus:
    """Holds streams of the train and val splits. ``val_source`` says where validation came from."""

    train: list[Stream]
    val: list[Stream]
    val_source: str
    digest: str
    usable: list[tuple[Stream, int]]
    """Stream and channel of everything in the train split that is not flat."""

    @property
    def rate_hz(self) -> float:
        """Returns the median rate of the training streams."""
        rates = sorted(s.rate_hz for s in self.train)
        return rates[len(rates) // 2]

    def pick(self, rng: np.random.Generator, rate_hz: float | None = None) -> tuple[Stream, int]:
        """Returns a random stream, longer ones more often, and a channel of it; of ``rate_hz`` if given."""
        weights = np.array([s.n_samples for s, _ in self.usable], np.float64)
        if rate_hz is not None:
            weights *= [s.rate_hz == rate_hz for s, _ in self.usable]
        return self.usable[int(rng.choice(len(weights), p=weights / weights.sum()))]

    def val_lengths(self, seconds: float) -> list[tuple[Stream, int]]:
        """Returns each validation stream and how much of it is coded,
        ``seconds`` of signal in all channels.
        """
        share = seconds / max(1, sum(len(s.rms) for s in self.val))
        return [(s, min(s.n_samples, max(1, round(share * s.rate_hz)))) for s in self.val]


def _rms(windows: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    energy = [[fast_rms(channel.astype(np.float64), rate_hz) ** 2 for channel in w] for w in windows]
    return np.sqrt(np.mean(energy, axis=0))


def _load(root: Path, entry: dict) -> Stream:
    path = root / entry["file"]
    try:
        windows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise WindowsError(f"{path.name}: cannot be read: {error}; rebuild the training windows") from error
    if windows.ndim != 3 or windows.dtype != np.float32 or len(windows) != entry["n_windows"]:
        raise WindowsError(
            f"{entry['file']}: {windows.dtype} {windows.shape}, expected float32 "
            f"[{entry['n_windows']}, channels, samples]; rebuild the training windows"
        )
    rms = _rms(windows, entry["rate_hz"])
    if not np.isfinite(rms).all():
        raise WindowsError(f"{entry['file']}: holds NaN or infinite samples; rebuild the training windows")
    lsb = np.array(entry["lsb_uv"], np.float64)
    if lsb.shape != rms.shape or not (lsb > 0).all():
        raise WindowsError(
            f"windows.json: {entry['stem']}: lsb_uv={lsb.tolist()}: must be positive, one a channel"
        )
    return Stream(entry["stem"], float(entry["rate_hz"]), windows, rms, lsb)


def _load_all(root: Path, entries: list[dict]) -> dict[str, list[Stream]]:
    streams: dict[str, list[Stream]] = {"train": [], "val": []}
    for entry in sorted(entries, key=lambda e: e["stem"]):
        split = entry["split"]
        if split not in streams:
            raise WindowsError(f"windows.json: {entry['stem']}: split={split!r}: must be train or val")
        if entry["n_windows"] > 0:
            streams[split].append(_load(root, entry))
    return streams


def load_corpus(root: Path) -> WindowCorpus:
    """Read ``windows.json`` and map its files.

    Where the val split is empty the last tenth of every training recording is held out instead.

    Raises:
        WindowsError: no windows.json, another schema, broken files, or nothing to train on.
    """
    try:
        text = (root / "windows.json").read_bytes()
        meta = json.loads(text)
    except (OSError, ValueError) as error:
        raise WindowsError(f"windows.json: cannot be read: {error}") from error
    if meta.get("schema") != SCHEMA:
        raise WindowsError(f"windows.json: schema={meta.get('schema')!r}: must be {SCHEMA!r}")
    try:
        streams = _load_all(root, meta["recordings"])
    except (KeyError, TypeError) as error:
        raise WindowsError(f"windows.json: field missing or of the wrong type: {error}") from error
    train, val, source = streams["train"], streams["val"], "val split"
    if not any((s.rms > 0).any() for s in val) and train:
        val, train = _hold_out(train)
        source = "last tenth of each training recording"
    usable = [(s, c) for s in train for c in np.flatnonzero(s.rms > 0).tolist()]
    if not usable:
        raise WindowsError("windows.json: no training window with a signal; check the split and the corpus")
    if not any((s.rms > 0).any() for s in val):
        raise WindowsError("windows.json: no validation window with a signal; add recordings to the split")
    return WindowCorpus(train, val, source, hashlib.sha256(text).hexdigest(), usable)


def _hold_out(train: list[Stream]) -> tuple[list[Stream], list[Stream]]:
    cuts = [len(s.windows) - max(1, int(len(s.windows) * HOLD_OUT)) for s in train]
    pairs = [(s, cut) for s, cut in zip(train, cuts, strict=True) if cut > 0]
    return [s.part(cut, len(s.windows)) for s, cut in pairs], [s.part(0, cut) for s, cut in pairs]


def add_drift(x: NDArray[np.float64], rng: np.random.Generator, rate_hz: float) -> NDArray[np.float64]:
    """Returns ``x`` (unit RMS) with the slow drift and electrode jumps that the windows' high-pass took
    away.

    The codec must code the original, so it is trained on drift of every size: a random walk with one knot
    per second, log-uniform amplitude, and now and then a step.
    """
    seconds = len(x) / rate_hz
    knots = np.cumsum(rng.standard_normal(int(seconds) + 3))
    walk = np.interp(np.arange(len(x)) / rate_hz, np.arange(len(knots)), knots)
    jumps = np.zeros(len(x))
    for at in rng.integers(0, len(x), rng.poisson(seconds / 20)):
        jumps[at:] += rng.normal(0, 2)
    size = np.exp(rng.uniform(np.log(0.05), np.log(2.0)))
    return x + size * (walk - walk.mean()) + jumps


@dataclass(frozen=True)
class Batch:
    """Holds training examples of one rate: signals [B, samples] in quantiser steps, level index of each."""

    signals: NDArray[np.float32]
    levels: NDArray[np.int64]
    rate_hz: float


def draw_batch(
    corpus: WindowCorpus, rng: np.random.Generator, size: int, length: int, tier_level: int
) -> Batch:
    """Draw random crops of one rate: stream by length, any offset, sign and direction, drift, step jitter."""
    rate = corpus.pick(rng)[0].rate_hz
    signals, levels = np.empty((size, length), np.float32), np.empty(size, np.int64)
    for row in range(size):
        stream, channel = corpus.pick(rng, rate)
        octaves = (tier_level - LEVEL_ZERO) / LEVELS_PER_OCTAVE + rng.uniform(-STEP_JITTER, STEP_JITTER)
        signals[row] = draw_crop(stream, channel, rng, length) * 2.0**octaves
        levels[row] = LEVEL_ZERO + round(octaves * LEVELS_PER_OCTAVE)
    return Batch(signals, levels, rate)


def draw_crop(stream: Stream, channel: int, rng: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Returns ``length`` samples of a channel from anywhere, at unit RMS.

    Of random sign and direction, and mostly with drift.
    """
    start = int(rng.integers(0, max(1, stream.n_samples - length + 1)))
    x = stream.cut(channel, start, length) / stream.rms[channel]
    x = x[::-1] if rng.random() < 0.5 else x
    x = -x if rng.random() < 0.5 else x
    return add_drift(x, rng, stream.rate_hz) if rng.random() < 0.7 else x
