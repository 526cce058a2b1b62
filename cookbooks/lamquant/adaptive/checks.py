"""Checks that bits followed the states that the candidate's own controller decides, and how it decides.

Each check returns its violations as sentences.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.codec import FollowingCodec, ReadRecording
from cookbooks.lamquant.adaptive.levels import States, StatesMissing
from cookbooks.lamquant.controller.states import CRITICAL, STATE_NAMES, StateStream
from cookbooks.lamquant.labels.frames import frame_end
from cookbooks.lamquant.labels.store import FIT, INDEX
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.lapped import n_frames
from cookbooks.lamquant.lqc.offsets import frame_offsets

BURST_S, BLOCK_S = 1.0, 30.0
_PIECES = (1, 7, 61, 250)


def states_differ(
    codec: FollowingCodec, stem: str, decided: States, written: States, bitstream: Path
) -> list[str]:
    """Returns where the states of a recording, as the controller decides them, are not those of its file.

    Args:
        codec: the candidate.
        stem: of the recording.
        decided: what its controller decides now.
        written: what the encoding process says that it decided.
        bitstream: its file.
    """
    if len(decided) != len(written):
        return [f"{stem}: {len(written)} states were written, the controller decides {len(decided)}"]
    if (at := np.flatnonzero(decided != written)).size:
        said, own = STATE_NAMES[min(int(written[at[0]]), CRITICAL)], STATE_NAMES[decided[at[0]]]
        return [
            f"{stem}: {len(at)} of {len(decided)} states are not the controller's: at"
            f" {_second(codec, at[0])} s {said} was written, and it decides {own}"
        ]
    try:
        reader = ChunkReader(bitstream)
        offsets = frame_offsets(reader, 0)
        codec.levels.read(offsets, reader.header.facts)
    except (StatesMissing, LqcError) as error:
        return [f"{stem}: {error}"]
    assert offsets is not None  # a file without any was refused
    base = codec.levels.base(decided, codec.profile)
    follows = offsets.follows(codec.levels.course(decided, base, codec.controller.frame_ms))
    if (at := np.flatnonzero(~follows)).size:
        second = at[0] * offsets.hop / offsets.rate_hz
        return [f"{stem}: {len(at)} of {len(follows)} frames are not at the level of their states, the first"
                f" about {second:.0f} s"]  # fmt: skip
    frames = n_frames(offsets.n_samples, offsets.hop)
    return [] if len(follows) == frames else [f"{stem}: {len(follows)} frames, and not {frames}"]


def not_causal(codec: FollowingCodec, stem: str, recording: ReadRecording, decided: States) -> list[str]:
    """Returns whether states depend on what comes later than the pre-roll, or on how samples are cut."""
    half = recording.n_samples // 2
    stream = codec.controller.stream(recording.rate_hz, len(recording.channels))
    states = StateStream(codec.point, codec.controller.frame_ms)
    found, at, number = [np.zeros(0, np.uint8)], 0, 0
    while at < half:
        stop = min(at + _PIECES[number % len(_PIECES)], half)
        found.append(states.push(stream.push(recording.read(at, stop))))
        at, number = stop, number + 1
    begin = np.concatenate(found)
    if not np.array_equal(begin, decided[: len(begin)]):
        first = int(np.flatnonzero(begin != decided[: len(begin)])[0])
        return [f"{stem}: the state at {_second(codec, first)} s depends on what comes later, or on chunks"]
    return []


class WithBurst:
    """Stands for a recording with a second that is far louder than the rest, in all channels."""

    def __init__(self, recording: ReadRecording, start: int, stop: int, size: float) -> None:
        self._recording, self._start, self._stop = recording, start, stop
        self.rate_hz, self.n_samples = recording.rate_hz, recording.n_samples
        self.channels = recording.channels
        span, rms = max(2, round(BLOCK_S * recording.rate_hz)), 0.0
        # of the loudest stretch so far: a median that still remembers it would call less no burst
        for begin in range(0, stop, span):
            x = recording.read(begin, min(begin + span, stop)).astype(np.float64)
            steps = np.sqrt(np.square(np.diff(x, axis=1)).mean(1)) if x.shape[1] > 1 else np.zeros(len(x))
            rms = max(rms, steps.max() + x.std(1).max())
        sign = np.where(np.arange(stop - start) // max(1, round(recording.rate_hz / 16)) % 2, 1.0, -1.0)
        self._burst = np.rint(size * rms * sign).astype(np.int64)

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        """Returns samples [start, stop), [C, n]."""
        x = self._recording.read(start, stop).astype(np.int64)
        low, high = max(start, self._start), min(stop, self._stop)
        if low < high:
            x[:, low - start : high - start] += self._burst[low - self._start : high - self._start]
        return x.astype(np.int32)


def not_fail_safe(codec: FollowingCodec, stem: str, recording: ReadRecording) -> list[str]:
    """Returns whether a burst, twice as loud as the fail-safe allows, is not coded as CRITICAL."""
    frame_ms, rate_hz = codec.controller.frame_ms, recording.rate_hz
    first = int(0.75 * recording.n_samples / (rate_hz * frame_ms / 1000))
    frames = round(1000 * BURST_S / frame_ms)
    start, stop = frame_end(first - 1, rate_hz, frame_ms), frame_end(first + frames - 1, rate_hz, frame_ms)
    if stop > recording.n_samples:
        return []
    burst = WithBurst(recording, start, stop, 2 * codec.point.failsafe_rms)
    states = codec.decide(burst)[first + 1 : first + frames]
    if (states == CRITICAL).all():
        return []
    return [
        f"{stem}: a burst of {2 * codec.point.failsafe_rms:g} times its RMS at {_second(codec, first)} s is"
        f" {STATE_NAMES[int(states.min())]}, and not CRITICAL"
    ]


def other_labels(codec: FollowingCodec, labels: Path) -> list[str]:
    """Returns whether the thresholds were chosen by other labels than those of train and validation patients.

    Args:
        codec: the candidate.
        labels: the artifact, of which a choice gets one directory.
    """
    try:
        index = (labels / FIT / INDEX).read_bytes()
    except OSError as error:
        return [f"what the thresholds were chosen by cannot be read: {error!r}"]
    if sha256(index).hexdigest() == codec.labels_sha256:
        return []
    return ["the thresholds were chosen by other labels than those given"]


def _second(codec: FollowingCodec, frame: int | np.integer) -> float:
    return float(frame) * codec.controller.frame_ms / 1000
