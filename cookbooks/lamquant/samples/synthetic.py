"""Makes synthetic EEG for scale and robustness tests; every file says SYNTHETIC in name and header.

Figures measured on it say nothing about compressing real EEG.

numpy and edfio are imported when recordings are made, not with this module.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import edfio

    from cookbooks.lamquant.samples.synthetic_events import PlannedEvent

LABEL = "SYNTHETIC"
TEN_TWENTY = (
    *("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"),
    *("F7", "F8", "T3", "T4", "T5", "T6", "Fz", "Cz", "Pz", "A1", "A2"),
)
MOST_SEIZURES = 3
SHORTEST_S = 40
"""Seconds of a recording that has room for seizures of some length."""
TEXTS = {"focal": "seizure", "generalised": "seizure", "chewing": "chew", "flutter": "eyem"}
"""How somebody who looks at the recording marks it; a run of theta is background to them."""


@dataclass(frozen=True)
class Hard:
    """Says what happens in recordings for controllers; each is annotated from its begin to its end.

    Attributes:
        seizures: the most in a recording; how many there are, when, where and how long is drawn.
        confusers: whether there are also chewing, fluttering eyes and runs of theta.

    Raises:
        ValueError: ``seizures`` is not between 0 and 3.
    """

    seizures: int = 0
    confusers: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seizures <= MOST_SEIZURES:
            raise ValueError(f"seizures={self.seizures}: at most {MOST_SEIZURES} in a recording, and from 0")


def write_synthetic(
    dest: Path,
    subjects: int,
    seconds: int,
    seed: int,
    *,
    rate_hz: int = 250,
    channels: tuple[str, ...] = TEN_TWENTY,
    recordings: int = 1,
    seizures: bool = False,
    hard: Hard | None = None,
) -> list[Path]:
    """Write ``dest/SYNTHETIC-s001/SYNTHETIC-s001_r01.edf`` and so on; the same arguments give the same bytes.

    Args:
        subjects, recordings: how many subjects, and recordings of each.
        seconds: length of each recording.
        channels: 10-20 sites, from ``TEN_TWENTY``.
        seizures: add one stretch of 3 Hz spike-and-wave per recording, annotated ``seizure``. It is always at
            the same place and plain to see: nothing is to be learned or judged on it.
        hard: what else happens, for controllers to find.

    Raises:
        ValueError: a count or rate that is not a positive whole number, a site that is not known, or
            recordings too short for seizures.
    """
    counts = {"subjects": subjects, "seconds": seconds, "rate_hz": rate_hz, "recordings": recordings}
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}: a whole number from 1")
    unknown = [site for site in channels if site not in TEN_TWENTY]
    if unknown or not channels:
        raise ValueError(f"channels={unknown or list(channels)}: choose from {', '.join(TEN_TWENTY)}")
    if hard and seconds < SHORTEST_S:
        raise ValueError(
            f"seconds={seconds}: recordings with seizures or confusers have {SHORTEST_S} at least"
        )
    paths = []
    for subject in range(1, subjects + 1):
        name = f"{LABEL}-s{subject:03d}"
        for run in range(1, recordings + 1):
            path = dest / name / f"{name}_r{run:02d}.edf"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, (seed, subject, run), seconds, rate_hz, channels, seizures, hard)
            paths.append(path)
    return paths


def _write(
    path: Path,
    key: tuple[int, int, int],
    seconds: int,
    rate_hz: int,
    channels: tuple[str, ...],
    seizures: bool,
    hard: Hard | None,
) -> None:
    import edfio
    import numpy as np

    from cookbooks.lamquant.samples.synthetic_events import draw_stretches
    from cookbooks.lamquant.samples.synthetic_model import draw_traits, simulate

    seed, subject, _ = key
    traits = draw_traits(seed, subject)
    seizure = (seconds * 0.4, min(10.0, seconds * 0.3)) if seizures else None
    happens = draw_stretches(key, seconds, hard.seizures, hard.confusers) if hard else []
    eeg = simulate(traits, key, seconds * rate_hz, rate_hz, channels, seizure, happens)
    limit = 2000 if traits.bits == 12 else 32000
    codes = np.clip(np.rint(eeg / traits.step_uv), -limit, limit).astype(np.int16)
    # limit * step is short enough for the header's eight characters, so the step is exact
    reach = round(limit * traits.step_uv, 3)
    signals = [
        edfio.EdfSignal.from_digital(
            row,
            rate_hz,
            label=f"EEG {site}",
            physical_dimension="uV",
            physical_range=(-reach, reach),
            digital_range=(-limit, limit),
        )
        for site, row in zip(channels, codes, strict=True)
    ]
    edf = edfio.Edf(
        signals,
        patient=edfio.Patient(code=f"{LABEL}-s{subject:03d}"),
        recording=edfio.Recording(equipment_code=LABEL, additional=(f"{traits.reference}-reference",)),
        data_record_duration=1,
        annotations=_marks(seizure, happens, seconds) if seizure or hard else None,
    )
    partial = path.with_suffix(".partial")
    edf.write(partial)
    partial.replace(path)


def _marks(
    seizure: tuple[float, float] | None, happens: "list[PlannedEvent]", seconds: int
) -> "list[edfio.EdfAnnotation]":
    """Returns what somebody would have marked who looked at all of it.

    Where nothing is said of a stretch it counts as not looked at, so the background is marked too.
    """
    import edfio

    if seizure:
        return [edfio.EdfAnnotation(*seizure, "seizure")]
    marks = [(one.onset_s, one.length_s, TEXTS[one.kind]) for one in happens if one.kind in TEXTS]
    begin = 0.0
    for onset, length, text in [*marks, (float(seconds), 0.0, "seizure")]:
        if text == "seizure":
            marks.append((begin, round(onset - begin, 2), "bckg"))
            begin = round(onset + length, 2)
    return [edfio.EdfAnnotation(*mark) for mark in sorted(marks)]
