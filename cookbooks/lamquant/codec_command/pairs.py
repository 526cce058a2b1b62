"""Puts an original and what was decoded of it side by side, channel by channel, and reads both in step."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec_command.batch import Failed
from cookbooks.lamquant.codec_command.edf_in import EXACT, SignalsWanted, Taken, taken
from cookbooks.lamquant.codec_command.marks import shipped_vocabulary
from cookbooks.lamquant.codec_command.recorded import Recorded
from cookbooks.lamquant.formats.edf.units import microvolts_per
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader
from cookbooks.lamquant.lqc.decode import Described
from cookbooks.lamquant.lqc.measure import MeasuredSignal, measure

ASKED = "asked"
"""Of a header's facts: the target by its name."""
Place = tuple[int, int]
"""A signal's number, and a row of it."""


@dataclass(frozen=True)
class FilePair:
    """Holds a channel of an original and where it is in both.

    Attributes:
        scale, offset: ``digital * scale + offset`` is physical, microvolts where the unit is a voltage.
        bound: largest error that was promised, in digital units; None where none was.
    """

    label: str
    unit: str
    rate_hz: float
    n_samples: int
    scale: float
    offset: float
    is_eeg: bool
    bound: int | None
    original: Place
    decoded: Place


@dataclass(frozen=True)
class Paired:
    """Holds the channels that both have, and the labels of those that only the original has."""

    pairs: list[FilePair]
    missing: list[str]
    sample_bytes: int
    _original: "Opened" = field(repr=False)
    _decoded: Recorded = field(repr=False)
    _figures: dict[int, MeasuredSignal] = field(default_factory=dict, repr=False)

    def measured(self, pair: FilePair) -> MeasuredSignal:
        """Returns the figures of the original's channels of the signal that a pair is of, measured once."""
        number = pair.original[0]
        if number not in self._figures:
            self._figures[number] = self._original.measured(number)
        return self._figures[number]

    def blocks(self, values: int) -> Iterator[tuple[list[int], int, NDArray[np.int32], NDArray[np.int32]]]:
        """Yields numbers of pairs, the first sample, and both as int32 ``[pairs, n]``, in order."""
        together: dict[Place, list[int]] = {}
        for number, pair in enumerate(self.pairs):
            together.setdefault((pair.original[0], pair.decoded[0]), []).append(number)
        for (of_original, of_decoded), numbers in together.items():
            rows = [self.pairs[number].original[1] for number in numbers]
            others = [self.pairs[number].decoded[1] for number in numbers]
            n = self.pairs[numbers[0]].n_samples
            step = max(1, values // len(self._original.signals[of_original].channels))
            for start in range(0, n, step):
                stop = min(start + step, n)
                x = self._original.read(start, stop, of_original)[rows]
                yield numbers, start, x, self._decoded.read(start, stop, of_decoded)[others]


@dataclass(frozen=True)
class Opened:
    """Holds an EDF or BDF file as what is read of a .lqc file."""

    header: FileHeader
    signals: tuple[Described, ...]
    sample_bytes: int
    _taken: Taken = field(repr=False)

    def read(self, start: int, stop: int, signal: int = 0) -> NDArray[np.int32]:
        """Returns samples [start, stop) of every channel of a signal, int32 [C, stop - start]."""
        return self._taken.signals[signal].read(start, stop)

    def measured(self, signal: int) -> MeasuredSignal:
        """Returns the figures of a signal's channels."""
        return measure(self._taken.signals[signal])


@contextlib.contextmanager
def opened(path: Path, identity: bool = False) -> Iterator[Opened]:
    """Open an EDF or BDF file with all of its signals.

    Raises:
        BadRecording: it cannot be read.
    """
    with taken(path, SignalsWanted(identity=identity, eeg_needed=False), shipped_vocabulary()) as found:
        signals = tuple(Described(one.rate_hz, one.n_samples, one.channels) for one in found.signals)
        yield Opened(found.about, signals, found.sample_bytes, found)


@contextlib.contextmanager
def paired(original: Path, decoded: Recorded) -> Iterator[Paired]:
    """Open an original beside what was decoded of it; channels belong together by label and rate.

    Raises:
        BadRecording: the original cannot be read.
        Failed: they have no channel in common, or one of them is shorter than in the original.
    """
    with opened(original, decoded.header.identity) as first:
        places = _by_name(first)
        others = _by_name(decoded)
        if not places.keys() & others.keys():
            others = _by_order(first, decoded, places)
        exact = set(first.header.facts[EXACT])
        pairs = [
            _pair(first, decoded, places[name], others[name], exact) for name in places if name in others
        ]
        missing = [name[0] for name in places if name not in others]
        if not pairs:
            raise Failed(f"no channel of it is one of {original}: give the original that it was made of")
        yield Paired(pairs, missing, first.sample_bytes, first, decoded)


def _by_name(recorded: Recorded) -> dict[tuple[str, float, int], Place]:
    """Returns where the channels are by label, rate, and how many of the same name are before them."""
    found, seen = dict[tuple[str, float, int], Place](), Counter[tuple[str, float]]()
    for number, signal in enumerate(recorded.signals):
        for row, channel in enumerate(signal.channels):
            name = channel.label, round(signal.rate_hz, 6)
            found[(*name, seen[name])] = number, row
            seen[name] += 1
    return found


def _by_order(
    original: Recorded, decoded: Recorded, places: dict[tuple[str, float, int], Place]
) -> dict[tuple[str, float, int], Place]:
    """Returns the channels of a file that has no labels by those of the original's first signal."""
    first, other = original.signals[0], decoded.signals[0]
    if len(decoded.signals) > 1 or len(first.channels) != len(other.channels):
        return {}
    return {name: place for name, place in places.items() if place[0] == 0}


def _pair(original: Opened, decoded: Recorded, place: Place, other: Place, exact: set[int]) -> FilePair:
    described = original.signals[place[0]]
    channel, n = described.channels[place[1]], described.n_samples
    there = decoded.signals[other[0]].n_samples
    if there < n:
        raise Failed(
            f"length of {channel.label}: {there} samples here, {n} in the original: it is another"
            " recording, or cut; give the one that it was made of"
        )
    scale, offset, unit = scaling(channel)
    is_eeg = place[0] not in exact
    bound = _promised(decoded.header, other[0], is_eeg)
    return FilePair(channel.label, unit, described.rate_hz, n, scale, offset, is_eeg, bound, place, other)


def _promised(header: FileHeader, signal: int, is_eeg: bool) -> int | None:
    if signal in header.facts.get(EXACT, []):
        return 0
    asked = header.facts.get(ASKED, {})
    return asked.get("max_error") if is_eeg else None


def scaling(channel: ChannelFacts) -> tuple[float, float, str]:
    """Returns scale and offset, and the unit that they give: microvolts of every voltage."""
    low, high = channel.digital_min, channel.digital_max
    bottom, top = channel.physical_min, channel.physical_max
    if low is None or high is None or bottom is None or top is None:
        return 1.0, 0.0, ""
    gain, volts = (top - bottom) / (high - low), microvolts_per(channel.unit)
    unit = channel.unit if volts is None else "uV"
    return gain * (volts or 1.0), (bottom - gain * low) * (volts or 1.0), unit
