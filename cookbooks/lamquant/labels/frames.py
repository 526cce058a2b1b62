"""Cuts recordings into frames, and says of each what somebody has seen in it."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.annotations.marks import ARTIFACT, BACKGROUND, CRITICAL, INTERESTING
from cookbooks.lamquant.labels.kinds import NONE, SEEN_CRITICAL, SEEN_INTERESTING, UNLABELLED, Unannotated

Marks = Iterable[Sequence[object]]
"""Events as ``annotations.json`` has them: class, onset and duration in seconds, source."""


def frame_end(frame: int, rate_hz: float, frame_ms: int) -> int:
    """Returns how many samples lie before the end of a frame that is counted from 0."""
    return (frame + 1) * round(rate_hz * 1000) * frame_ms // 1_000_000


def n_frames(n_samples: int, rate_hz: float, frame_ms: int) -> int:
    """Returns how many whole frames lie in so many samples."""
    found = n_samples * 1_000_000 // (round(rate_hz * 1000) * frame_ms)
    return found + (frame_end(found, rate_hz, frame_ms) <= n_samples)


def frame_labels(
    state: str, marks: Marks, frames: int, frame_ms: int, *, tells_seizures: bool, unannotated: Unannotated
) -> NDArray[np.uint8]:
    """Returns a label for each frame, uint8 ``[frames]``; a mark counts where it has half of a frame.

    Args:
        state: ``annotated``, ``unannotated`` or ``refused``; the last has no labels, whatever is said.
        marks: the events of the recording.
        tells_seizures: whether somebody looked for seizures; if not, what is not marked has no label, since
            a mark of a spike says nothing of the rest of the recording.
        unannotated: whether recordings without annotations count as quiet.
    """
    if state == "unannotated":
        return np.full(frames, NONE if unannotated == "quiet" else UNLABELLED, np.uint8)
    if state != "annotated":
        return np.full(frames, UNLABELLED, np.uint8)
    labels = np.full(frames, NONE if tells_seizures else UNLABELLED, np.uint8)
    several = list(marks)
    for classes, label in (
        ((ARTIFACT, BACKGROUND), NONE),
        ((INTERESTING,), SEEN_INTERESTING),
        ((CRITICAL,), SEEN_CRITICAL),
    ):
        labels[_covered([mark for mark in several if mark[0] in classes], frames, frame_ms)] = label
    return labels


def _covered(marks: Sequence[Sequence[object]], frames: int, frame_ms: int) -> NDArray[np.bool_]:
    """Returns which frames are covered by half at least by marks, which may overlap."""
    edges = [(1000 * float(str(m[1])), 1000 * (float(str(m[1])) + float(str(m[2])))) for m in marks]
    covered_ms = np.zeros(frames)
    last = 0.0
    for begin, end in sorted(edges):
        begin, last = max(begin, last), max(end, last)
        first, stop = int(begin // frame_ms), min(frames, int(-(-end // frame_ms)))
        if end > begin and stop > first:
            starts = np.arange(first, stop) * frame_ms
            covered_ms[first:stop] += np.minimum(end, starts + frame_ms) - np.maximum(begin, starts)
    return covered_ms >= frame_ms / 2


def runs(labels: NDArray[np.uint8], label: int) -> list[tuple[int, int]]:
    """Returns first frame and end of each stretch of a label, in order."""
    steps = np.diff(np.concatenate([[0], (labels == label).astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
