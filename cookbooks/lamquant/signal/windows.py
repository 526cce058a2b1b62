"""Cuts training windows: full band, high-passed, in microvolts, as arrays to be memory-mapped.

One ``.npy`` file per recording, float32 [windows, channels, samples]. A recording is filtered piece by piece
and channel by channel, so memory does not depend on how long it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.config import Bounds
from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.corpus import Recording, StoredRecording
from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.signal.filtered import FilteredRecording, rate_ratio
from cookbooks.lamquant.signal.montage import select_channels
from cookbooks.lamquant.signal.window_file import WindowFile

SCHEMA = "blut.windows.v1"
INDEX = "windows.json"
SPLITS = ("train", "val")
FLAT_UV = 1e-12
PIECE_VALUES = 4 << 20
"""Samples of all channels that are cut at once."""


class WindowError(Refused):
    """Says that windows cannot be cut or read; names the recording or field, the value and the remedy."""


class NotUsable(WindowError):
    """Says that one recording does not fit the request; the others may."""


@dataclass(frozen=True)
class WindowSpec:
    """Says which windows are asked for.

    Attributes:
        window_s: length of a window in seconds.
        highpass_hz: corner of the high-pass.
        rate_hz: rate to resample to; None keeps each recording's own.
        channels: montage to select, in this order; None keeps what a recording has.
        max_windows: at most this many windows in each split, each recording giving its share; None for all.
    """

    window_s: Annotated[float, Bounds(above=0)] = 2.0
    highpass_hz: Annotated[float, Bounds(above=0)] = 0.5
    rate_hz: Annotated[float, Bounds(above=0)] | None = None
    channels: Annotated[tuple[str, ...], Bounds(1)] | None = None
    max_windows: Annotated[int, Bounds(1)] | None = None

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
        NotUsable: no factors up to 10 000 come within a ten-thousandth of the rate.
    """
    if (factors := rate_ratio(source_rate_hz, rate_hz)) is None:
        raise NotUsable(f"rate_hz={rate_hz} is not a simple ratio of its rate {source_rate_hz}")
    return factors


def n_candidates(n_samples: int, source_rate_hz: float, spec: WindowSpec) -> int:
    """Count whole windows in ``n_samples`` samples at ``source_rate_hz``, before any is dropped."""
    up, down = ratio(source_rate_hz, spec.rate_of(source_rate_hz))
    return -(-n_samples * up // down) // max(1, spec.samples(spec.rate_of(source_rate_hz)))


@dataclass(frozen=True)
class Cut:
    """Holds the windows of one recording, on disk, and what was left out.

    Windows are counted from sample 0; ``spans`` lists those written as ``[first, count]`` of each stretch
    without a gap. ``lsb_uv`` is the size of one digital unit. ``resampled`` are the factors by which the
    recording was sampled up and down: a window's time is counted with them and its ``source_rate_hz``.
    """

    channels: list[str]
    lsb_uv: list[float]
    rate_hz: float
    resampled: list[int]
    n_windows: int
    spans: list[list[int]]
    n_flat: int
    n_nonfinite: int


def cut_windows(
    recording: Recording | StoredRecording,
    kept: Sequence[int],
    chosen: range,
    spec: WindowSpec,
    path: Path,
) -> Cut:
    """Write the windows of one recording to ``path``; nothing is written when none is left.

    Args:
        recording: what to cut; it is read a piece at a time.
        kept: indices of the channels that may be used.
        chosen: the windows wanted, of the consecutive windows from sample 0.
        spec: which windows are asked for.
        path: the ``.npy`` file, float32 [windows, channels, samples].

    Raises:
        NotUsable: a channel of the montage is missing, or the rates do not fit.
    """
    names, indices = select_channels(recording.channels, kept, spec.channels)
    rate_hz = spec.rate_of(recording.rate_hz)
    factors = ratio(recording.rate_hz, rate_hz)
    size = spec.samples(rate_hz)
    signal = FilteredRecording(recording, indices, factors, rate_hz, spec.highpass_hz)
    flat, sound = [np.zeros(0, np.bool_)], [np.zeros(0, np.bool_)]
    with WindowFile(path, len(indices), size) as file:
        for piece in _pieces(chosen, size, len(indices), signal.halo):
            windows, still, usable = _cut_piece(signal, piece, len(indices), size)
            file.append(windows[usable & ~still])
            flat.append(still)
            sound.append(usable)
    dropped, usable = np.concatenate(flat), np.concatenate(sound)
    wanted = np.arange(chosen.start, chosen.stop)
    return Cut(
        channels=names,
        lsb_uv=[abs(float(recording.scale[index])) for index in indices],
        rate_hz=rate_hz,
        resampled=list(factors),
        n_windows=int((usable & ~dropped).sum()),
        spans=_spans(wanted[usable & ~dropped]),
        n_flat=int(dropped.sum()),
        n_nonfinite=int((~usable & ~dropped).sum()),
    )


def _pieces(chosen: range, size: int, n_channels: int, halo: int) -> Iterator[range]:
    """Yields the windows in stretches that are long beside the halo and fit into memory."""
    count = max(1, max(PIECE_VALUES // n_channels, 2 * halo) // size)
    for first in range(chosen.start, chosen.stop, count):
        yield range(first, min(first + count, chosen.stop))


def _cut_piece(
    signal: FilteredRecording, piece: range, n_channels: int, size: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns windows [windows, channels, samples], which are flat,
    and which are finite and move after filtering.

    Flat is judged on the integers: filters smear a step into flat parts.
    """
    count, start = len(piece), piece.start * size
    windows = np.empty((count, n_channels, size), np.float32)
    still, finite, moving = (np.full(count, value, np.bool_) for value in (True, True, False))
    low, _ = signal.source(start, piece.stop * size)
    edges = [signal.source(index * size, (index + 1) * size) for index in piece]
    for row, (digital, x) in enumerate(signal.channels(start, piece.stop * size)):
        cut = x.reshape(count, size).astype(np.float32)
        windows[:, row] = cut
        finite &= np.isfinite(cut).all(axis=1)
        moving |= np.abs(cut - cut.mean(axis=1, keepdims=True)).max(axis=1) >= FLAT_UV
        still &= [bool((part := digital[a - low : b - low])[0] == part.min() == part.max()) for a, b in edges]
    return windows, still, finite & moving


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
