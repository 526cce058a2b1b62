"""Cuts training windows: full band, high-passed, in microvolts, as arrays to be memory-mapped.

One ``.npy`` file per recording, float32 [windows, channels, samples]. A recording is filtered channel by
channel, so memory stays at its integers plus one channel in float64, whatever the number of channels.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from cookbooks.lamquant.formats.corpus import Recording
from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.signal.montage import select_channels

SCHEMA = "blut.windows.v1"
INDEX = "windows.json"
SPLITS = ("train", "val")
FLAT_UV = 1e-12
_MAX_RATIO = 10_000

Microvolts = NDArray[np.float64]


class WindowError(Exception):
    """Says that windows cannot be cut or read; names the recording or field, the value and the remedy."""


class NotUsable(WindowError):
    """Says that one recording does not fit the request; the others may."""


@dataclass(frozen=True)
class WindowSpec:
    """Says what windows are wanted.

    Attributes:
        window_s: length of a window in seconds.
        highpass_hz: corner of the high-pass.
        rate_hz: rate to resample to; None keeps each recording's own.
        channels: montage to select, in this order; None keeps what a recording has.
        max_windows: at most this many windows in each split, each recording giving its share; None for all.

    Raises:
        WindowError: a value out of range.
    """

    window_s: float = 2.0
    highpass_hz: float = 0.5
    rate_hz: float | None = None
    channels: tuple[str, ...] | None = None
    max_windows: int | None = None

    def __post_init__(self) -> None:
        for name in ("window_s", "highpass_hz", "rate_hz", "max_windows"):
            value = getattr(self, name)
            if value is None and name in ("rate_hz", "max_windows"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise WindowError(f"{name}={value!r}: allowed is a number above 0")
        if self.max_windows is not None and self.max_windows != int(self.max_windows):
            raise WindowError(f"max_windows={self.max_windows!r}: allowed is a whole number above 0")
        if self.channels is not None and (not self.channels or isinstance(self.channels, str)):
            raise WindowError(f"channels={self.channels!r}: give a list of names, or leave it out")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WindowSpec":
        """Read a spec from the payload's config;
        a missing field, or a null not allowed, means its default.
        """
        names = ("window_s", "highpass_hz", "rate_hz", "channels", "max_windows")
        values = {name: config[name] for name in names if config.get(name) is not None}
        if isinstance(values.get("channels"), list):
            values["channels"] = tuple(values["channels"])
        return cls(**values)

    def rate_of(self, source_rate_hz: float) -> float:
        """Returns the rate of the windows cut from a recording."""
        return self.rate_hz or source_rate_hz

    def samples(self, rate_hz: float) -> int:
        """Returns the number of samples in a window at ``rate_hz``."""
        return round(self.window_s * rate_hz)


def check_rate(stem: str, rate_hz: float, spec: WindowSpec) -> None:
    """Raise WindowError where the high-pass lies at or above the Nyquist frequency."""
    lowest = min(rate_hz, spec.rate_of(rate_hz))
    if spec.highpass_hz >= lowest / 2:
        raise WindowError(
            f"highpass_hz={spec.highpass_hz}: {stem} has {lowest} samples a second, so the high-pass must be "
            f"below {lowest / 2} Hz"
        )


def ratio(source_rate_hz: float, rate_hz: float) -> tuple[int, int]:
    """Returns up- and down-sampling factors from one rate to the other.

    Raises:
        NotUsable: no factors up to 10 000 come within a millionth of the rate.
    """
    fraction = (Fraction(rate_hz) / Fraction(source_rate_hz)).limit_denominator(_MAX_RATIO)
    reached = source_rate_hz * fraction.numerator / fraction.denominator
    if abs(reached - rate_hz) > 1e-6 * rate_hz or fraction.numerator > _MAX_RATIO:
        raise NotUsable(f"rate_hz={rate_hz} is not a simple ratio of its rate {source_rate_hz}")
    return fraction.numerator, fraction.denominator


def n_candidates(n_samples: int, source_rate_hz: float, spec: WindowSpec) -> int:
    """Count whole windows in ``n_samples`` samples at ``source_rate_hz``, before any is dropped."""
    up, down = ratio(source_rate_hz, spec.rate_of(source_rate_hz))
    return -(-n_samples * up // down) // max(1, spec.samples(spec.rate_of(source_rate_hz)))


def highpass(x: Microvolts, rate_hz: float, corner_hz: float) -> Microvolts:
    """Apply a second-order Butterworth high-pass, forwards and backwards, along the last axis.

    The ends are extended by odd reflection over one period of the corner frequency, or as far as the
    signal reaches.
    """
    sos = butter(2, corner_hz, "highpass", fs=rate_hz, output="sos")
    pad = min(x.shape[-1] - 1, int(np.ceil(rate_hz / corner_hz)))
    return sosfiltfilt(sos, x, axis=-1, padlen=pad)


def channel_microvolts(recording: Recording, index: int, spec: WindowSpec) -> Microvolts:
    """Returns one channel [samples] at the windows' rate, high-passed, in microvolts."""
    x = recording.digital[index] * recording.scale[index] + recording.offset[index]
    rate_hz = spec.rate_of(recording.rate_hz)
    up, down = ratio(recording.rate_hz, rate_hz)
    if up != down:
        # beta 8.6 stops images at about -86 dB; those of a large offset would still be seen, so it goes first
        x = resample_poly(x - x.mean(), up, down, window=("kaiser", 8.6), padtype="antireflect")
    return highpass(x, rate_hz, spec.highpass_hz)


@dataclass(frozen=True)
class Cut:
    """Holds the windows of one recording, on disk, and what was left out.

    Windows are counted from sample 0; ``spans`` lists those written as ``[first, count]`` of each stretch
    without a gap. ``lsb_uv`` is the size of one digital unit.
    """

    channels: list[str]
    lsb_uv: list[float]
    rate_hz: float
    n_windows: int
    spans: list[list[int]]
    n_flat: int
    n_nonfinite: int


def cut_windows(
    recording: Recording, kept: Sequence[int], chosen: Sequence[int], spec: WindowSpec, path: Path
) -> Cut:
    """Write the windows of one recording to ``path``; nothing is written when none is left.

    Args:
        recording: what to cut.
        kept: indices of the channels that may be used.
        chosen: indices of the windows wanted, ascending, of the consecutive windows from sample 0.
        path: the ``.npy`` file, float32 [windows, channels, samples].

    Raises:
        NotUsable: a channel of the montage is missing, or the rates do not fit.
    """
    names, indices = select_channels(recording.channels, kept, spec.channels)
    rate_hz = spec.rate_of(recording.rate_hz)
    ratio(recording.rate_hz, rate_hz)
    size = spec.samples(rate_hz)
    flat = _flat(recording.digital[indices], np.asarray(chosen), size, recording.rate_hz / rate_hz)
    wanted = np.asarray(chosen, np.int64)[~flat]
    sound = np.ones(0, np.bool_)
    if len(wanted):
        temporary = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = _write(recording, indices, wanted, size, spec, temporary)
        _finish(temporary, path, sound)
    return Cut(
        channels=names,
        lsb_uv=[abs(float(recording.scale[index])) for index in indices],
        rate_hz=rate_hz,
        n_windows=int(sound.sum()),
        spans=_spans(wanted[sound]),
        n_flat=int(flat.sum()),
        n_nonfinite=int((~sound).sum()),
    )


def _flat(
    digital: NDArray[np.int32], chosen: NDArray[np.int64], size: int, ratio: float
) -> NDArray[np.bool_]:
    """Find windows in which no channel moves, judged on the integers:
    filters smear a step into flat parts.
    """
    spans = ((int(i * size * ratio), int(np.ceil((i + 1) * size * ratio))) for i in chosen)
    return np.array([bool((digital[:, a:b] == digital[:, a : a + 1]).all()) for a, b in spans], np.bool_)


def _write(
    recording: Recording,
    indices: Sequence[int],
    wanted: NDArray[np.int64],
    size: int,
    spec: WindowSpec,
    path: Path,
) -> NDArray[np.bool_]:
    """Fill the file channel by channel; returns which windows are finite and not flat after filtering."""
    shape = (len(wanted), len(indices), size)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    finite, moving = np.ones(len(wanted), np.bool_), np.zeros(len(wanted), np.bool_)
    for row, index in enumerate(indices):
        x = channel_microvolts(recording, index, spec)
        windows = x[: len(x) // size * size].reshape(-1, size)[wanted].astype(np.float32)
        out[:, row] = windows
        finite &= np.isfinite(windows).all(axis=1)
        moving |= np.abs(windows - windows.mean(axis=1, keepdims=True)).max(axis=1) >= FLAT_UV
    out.flush()
    return finite & moving


def _finish(temporary: Path, path: Path, sound: NDArray[np.bool_]) -> None:
    """Move the file into place, without the windows that are not sound."""
    if not sound.all():
        source = np.load(temporary, mmap_mode="r")
        temporary.unlink()
        if not sound.any():
            return
        shape = (int(sound.sum()), *source.shape[1:])
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for row, index in enumerate(np.flatnonzero(sound)):
            out[row] = source[index]
        out.flush()
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def spread(counts: Sequence[int], limit: int | None) -> list[range]:
    """Choose at most ``limit`` windows, from each recording its share as one block from its middle.

    Consecutive windows stay consecutive, so that they can be read as one stream.
    """
    total = sum(counts)
    if limit is None or limit >= total:
        return [range(count) for count in counts]
    ends = [0, *(int(end) * limit // total for end in np.cumsum(counts))]
    shares = [high - low for low, high in pairwise(ends)]
    starts = [(count - share) // 2 for count, share in zip(counts, shares, strict=True)]
    return [range(start, start + share) for start, share in zip(starts, shares, strict=True)]


def _spans(indices: NDArray[np.int64]) -> list[list[int]]:
    """Returns ascending indices as ``[first, count]`` of each consecutive stretch."""
    stretches = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    return [[int(stretch[0]), len(stretch)] for stretch in stretches if len(stretch)]


def open_windows(windows_dir: Path, split: str) -> list[tuple[dict[str, Any], NDArray[np.float32]]]:
    """Returns the recordings of one split: entries of ``windows.json`` and their windows, memory-mapped.

    Each array is float32 [windows, channels, samples] in microvolts, read-only.

    Raises:
        WindowError: no such split, or an index or file that does not fit.
    """
    path = windows_dir / INDEX
    index = read_index(path, SCHEMA, "an index of windows", "build the windows again", WindowError)
    if split not in SPLITS:
        raise WindowError(f"split {split!r}: windows exist for {' and '.join(SPLITS)} only")
    return [
        (entry, _open(windows_dir / entry["file"], entry))
        for entry in index["recordings"]
        if entry["split"] == split
    ]


def _open(path: Path, entry: Mapping[str, Any]) -> NDArray[np.float32]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WindowError(f"{path}: cannot be mapped ({error}); build the windows again") from error
    expected = (entry["n_windows"], len(entry["channels"]))
    if array.dtype != np.float32 or array.ndim != 3 or array.shape[:2] != expected:
        raise WindowError(
            f"{path}: holds {array.dtype} {array.shape}, the index says {expected}; build the windows again"
        )
    return array
