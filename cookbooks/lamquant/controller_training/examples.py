"""Measures the recordings that a controller learns from, once, and draws crops of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.controller.features import LEAST_HZ, FeatureStream
from cookbooks.lamquant.controller.pooling import N_POOLED, pool
from cookbooks.lamquant.formats.corpus import Corpus, StoredRecording
from cookbooks.lamquant.labels.frames import SEEN_CRITICAL, UNLABELLED, runs
from cookbooks.lamquant.labels.store import Labels

BLOCK_S = 60
"""Seconds of a recording that are in memory while it is measured."""
WHOLE = 0.5
"""Share of crops with all channels; the others have some, so that no montage is learned."""


@dataclass(frozen=True)
class LabelledExample:
    """Holds one recording as it is learned from.

    Attributes:
        measured: int16 ``[T, C, 12]``, what a `FeatureStream` says, memory-mapped.
        labels: uint8 ``[T]``.
        events: first frame and end of each critical stretch.
    """

    stem: str
    split: str
    measured: NDArray[np.int16]
    labels: NDArray[np.uint8]
    events: list[tuple[int, int]]

    @property
    def labelled(self) -> int:
        """Returns how many frames have a label."""
        return int((self.labels != UNLABELLED).sum())


def measured(recording: StoredRecording, frame_ms: int) -> NDArray[np.int16]:
    """Returns what a `FeatureStream` says of a recording, int16 ``[T, C, 12]``."""
    stream = FeatureStream(recording.rate_hz, len(recording.channels), frame_ms)
    parts = [stream.push(block) for block in recording.blocks(int(BLOCK_S * recording.rate_hz))]
    return np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)


def measure_all(
    corpus: Corpus, labels: Labels, work: Path, say: Callable[[str], object]
) -> list[LabelledExample]:
    """Returns the train and validation recordings of a directory of labels, measured.

    What was measured is kept in ``work`` and used again. Recordings that cannot be measured are said.
    """
    folder = work / "measured"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for split in ("train", "val"):
        for stem in labels.stems(split):
            recording, path = corpus.open(stem), folder / f"{stem}.npy"
            if recording.rate_hz < LEAST_HZ:
                say(f"{stem}: {recording.rate_hz:g} Hz is too slow for the controller; it is left out")
                continue
            array = measured(recording, labels.frame_ms)
            np.save(path, array)
            marks = labels.of(stem)
            if len(marks) != len(array):
                raise Refused(
                    f"labels of {stem}: {len(marks)} frames, and the recording has {len(array)};"
                    " make the labels again"
                )
            mapped = np.load(path, mmap_mode="r")
            found.append(LabelledExample(stem, split, mapped, marks, runs(marks, SEEN_CRITICAL)))
    return found


class Drawer:
    """Draws crops of training recordings: half of them hold an event, however rare events are.

    Args:
        frames: length of a crop.
        everything: whether labels do not matter, and neither do events.
    """

    def __init__(self, examples: Sequence[LabelledExample], frames: int, *, everything: bool = False) -> None:
        self._frames = frames
        self._examples = [one for one in examples if one.labelled or everything]
        events = [(n, begin) for n, one in enumerate(self._examples) for begin, _ in one.events]
        self._events = [] if everything else events
        weights = np.array([len(one.labels) if everything else one.labelled for one in self._examples], float)
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, size: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Returns pooled numbers ``[B, T, 27]`` and labels ``[B, T]``; short recordings are padded."""
        x = np.zeros((size, self._frames, N_POOLED), np.int32)
        y = np.full((size, self._frames), UNLABELLED, np.uint8)
        for row in range(size):
            one, start = self._place(rng, with_event=row % 2 == 0)
            piece = one.measured[start : start + self._frames]
            x[row, : len(piece)] = pool(_some_channels(piece, rng)).features
            y[row, : len(piece)] = one.labels[start : start + self._frames]
        return x, y

    def _place(self, rng: np.random.Generator, *, with_event: bool) -> tuple[LabelledExample, int]:
        if with_event and self._events:
            n, begin = self._events[int(rng.integers(len(self._events)))]
            one = self._examples[n]
            start = begin - int(rng.integers(0, self._frames))
        else:
            one = self._examples[int(rng.choice(len(self._examples), p=self._weights))]
            start = int(rng.integers(0, max(1, len(one.labels) - self._frames + 1)))
        return one, min(max(start, 0), max(0, len(one.labels) - self._frames))


def _some_channels(piece: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    channels = piece.shape[1]
    if channels < 3 or rng.random() < WHOLE:
        return piece
    kept = rng.permutation(channels)[: int(rng.integers(max(2, channels // 4), channels))]
    return np.ascontiguousarray(piece[:, np.sort(kept)])


def standardisation(
    examples: Sequence[LabelledExample], *, everything: bool = False
) -> dict[str, NDArray[np.int32]]:
    """Returns mean and gain of each pooled number over labelled frames, or over ``everything``."""
    total, squares, n = np.zeros(N_POOLED), np.zeros(N_POOLED), 0
    for one in examples:
        counted = np.ones(len(one.labels), bool) if everything else one.labels != UNLABELLED
        seen = pool(one.measured).features[counted].astype(float) / 256
        total, squares, n = total + seen.sum(0), squares + (seen**2).sum(0), n + len(seen)
    mean = total / max(n, 1)
    deviation = np.sqrt(np.maximum(squares / max(n, 1) - mean**2, 1 / 64))
    return {
        "input.mean": np.round(256 * mean).astype(np.int32),
        "input.gain": np.round(4096 / deviation).astype(np.int32),
    }
