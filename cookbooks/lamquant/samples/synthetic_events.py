"""Adds seizures that are hard to tell, and what is taken for them, to synthetic EEG.

A seizure begins anywhere, is focal or generalised, slows down while it grows, and is between 0.7 and 2 times
as large as the background. Chewing, fluttering eyes and runs of theta are rhythmic as well.
The numbers are chosen so that a threshold on energy does badly; no patient was measured for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["focal", "generalised", "chewing", "flutter", "theta"]
SEIZURES: tuple[Kind, ...] = ("focal", "generalised")
CONFUSERS: tuple[Kind, ...] = ("chewing", "flutter", "theta")
GAP_S = 3.0
"""Seconds at least between two seizures, and between one and either end of the recording."""
CONFUSERS_PER_S = 1 / 75

Array = NDArray[np.float64]
Spot = Callable[[float, float, float], Array]


@dataclass(frozen=True)
class PlannedEvent:
    """Says what happens when; onset and length are in seconds, rounded to hundredths."""

    kind: Kind
    onset_s: float
    length_s: float


def draw_stretches(
    key: tuple[int, int, int], seconds: int, most_seizures: int, confusers: bool
) -> list[PlannedEvent]:
    """Returns what happens in one recording, in order.

    The number of seizures is drawn from 0 to ``most_seizures`` with equal chances, their lengths from 8 to
    25 s, or up to a quarter of a short recording, and all ways to place them are equally likely.
    """
    rng = np.random.default_rng([*key, 2])
    longest = min(25.0, seconds / 4 - GAP_S)
    lengths = np.round(rng.uniform(min(8.0, 0.6 * longest), longest, rng.integers(0, most_seizures + 1)), 2)
    spare = seconds - lengths.sum() - GAP_S * (len(lengths) + 1)
    before = np.cumsum(lengths + GAP_S) - lengths
    onsets = before + np.sort(rng.uniform(0, spare, len(lengths)))
    found = [
        PlannedEvent(rng.choice(SEIZURES, p=[0.7, 0.3]), round(float(onset), 2), float(length))
        for onset, length in zip(onsets, lengths, strict=True)
    ]
    for _ in range(rng.poisson(seconds * CONFUSERS_PER_S) if confusers else 0):
        length = round(rng.uniform(4, 15) * min(1.0, seconds / 60), 2)
        found.append(PlannedEvent(rng.choice(CONFUSERS), round(rng.uniform(0, seconds - length), 2), length))
    return sorted(found, key=lambda one: one.onset_s)


def add_stretches(
    eeg: Array, key: tuple[int, int, int], stretches: Sequence[PlannedEvent], rate_hz: int, spot: Spot
) -> None:
    """Add what happens to ``eeg`` ``[C, n_samples]`` in place.

    Args:
        spot: how strongly each site sees a source, from azimuth and inclination in degrees, and its width.
    """
    rng = np.random.default_rng([*key, 3])
    background = float(np.median(eeg.std(axis=1)))
    for one in stretches:
        low = int(one.onset_s * rate_hz)
        high = min(eeg.shape[1], int((one.onset_s + one.length_s) * rate_hz))
        time = np.arange(high - low) / rate_hz
        gain, wave = (_seizure if one.kind in SEIZURES else _confuser)(one, rng, time, rate_hz, spot)
        eeg[:, low:high] += background * gain[:, None] * wave


def _seizure(
    one: PlannedEvent, rng: np.random.Generator, time: Array, rate_hz: int, spot: Spot
) -> tuple[Array, Array]:
    """Make a rhythm with harmonics whose frequency falls, and which grows for the first third."""
    fast, slow = rng.uniform(4.5, 7.5), rng.uniform(2.2, 3.5)
    phase = 2 * np.pi * np.cumsum(fast + (slow - fast) * time / one.length_s) / rate_hz
    wave = np.sin(phase)
    for order, share in ((2, 0.5), (3, 0.3)):
        wave += share * np.sin(order * phase + rng.uniform(0, 2 * np.pi))
    grows = np.clip(time / (0.35 * one.length_s), 0, 1) * np.clip(one.length_s - time, 0, 1)
    if one.kind == "generalised":
        gain = 0.5 * (0.4 + spot(rng.uniform(-30, 30), rng.uniform(40, 80), 1.0))
    else:
        gain = spot(rng.uniform(-180, 180), rng.uniform(20, 95), rng.uniform(0.5, 1.0))
    return rng.uniform(0.7, 2.0) * gain, grows * wave / wave.std()


def _confuser(
    one: PlannedEvent, rng: np.random.Generator, time: Array, rate_hz: int, spot: Spot
) -> tuple[Array, Array]:
    """Make bursts of muscle over a temple, trains of eye movements, or a run of theta without a course."""
    noise = rng.standard_normal(len(time))
    if one.kind == "chewing":
        bites = np.maximum(0, np.sin(2 * np.pi * rng.uniform(1, 2) * time)) ** 2
        return 2.0 * spot(rng.choice([-85, 85]), 95, 0.5), bites * (
            noise - np.convolve(noise, np.full(8, 1 / 8), "same")
        )
    if one.kind == "flutter":
        beat = np.sin(2 * np.pi * rng.uniform(2, 4) * time + 0.8 * np.sin(2 * np.pi * 0.7 * time))
        return 3.0 * spot(0, 105, 0.5), np.maximum(0, beat) ** 3
    frequency = np.fft.rfftfreq(len(time), 1 / rate_hz)
    wave = np.fft.irfft(np.fft.rfft(noise) * np.exp(-0.5 * ((frequency - 5.5) / 1.0) ** 2), len(time))
    return 1.3 * spot(rng.uniform(-60, 60), 45, 0.8), wave / max(float(wave.std()), 1e-9)
