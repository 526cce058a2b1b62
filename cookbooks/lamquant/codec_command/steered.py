"""Lets the controller of a pipeline say how fine each moment of a recording is coded."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.codec import MANIFEST, FollowingCodec, load_adaptive
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import Level


@dataclass(frozen=True)
class SteeredSignals:
    """Says how the signals of a recording are coded.

    Attributes:
        target: what the levels count from.
        courses: of each signal, None for one that is kept exactly.
        facts: what the file says of its states.
    """

    target: Level
    courses: list[Course | None]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _SignalRecording:
    """Shows a signal as the controller reads recordings."""

    signal: SignalSource

    @property
    def rate_hz(self) -> float:
        return self.signal.rate_hz

    @property
    def n_samples(self) -> int:
        return self.signal.n_samples

    @property
    def channels(self) -> list[str]:
        return [one.label for one in self.signal.channels]

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        return self.signal.read(start, stop).astype(np.int32)


@functools.lru_cache(maxsize=2)
def pipeline_in(checkpoint: Path) -> FollowingCodec | None:
    """Returns the pipeline in a directory, loaded once a process; None where there is a codec alone.

    Raises:
        AdaptiveInvalid: it cannot be read.
    """
    return load_adaptive(checkpoint) if (checkpoint / MANIFEST).is_file() else None


def steered(pipeline: FollowingCodec, signals: Sequence[SignalSource], profile: Profile) -> SteeredSignals:
    """Returns how signals are coded by what the controller makes of the EEG with the most channels.

    Raises:
        InputError: there is no EEG, or of a rate or in a number of channels that it cannot measure.
    """
    eeg = [signal for signal in signals if not signal.exact]
    if not eeg:
        raise InputError("it has no EEG for the controller of a pipeline: encode it with --max-error 0")
    seen = max(eeg, key=lambda signal: len(signal.channels))
    try:
        states = pipeline.decide(_SignalRecording(seen))
    except ValueError as error:
        raise InputError(f"the controller of the pipeline cannot look at it: {error}") from error
    base = pipeline.levels.base(states, profile)
    course = pipeline.levels.course(states, base, pipeline.controller.frame_ms)
    courses = [None if signal.exact else course for signal in signals]
    return SteeredSignals(Level(float(base)), courses, pipeline.levels.facts(base))
