"""Recordings as people have them: several rates, other signals, annotations, gaps, 16 and 24 bits."""

from pathlib import Path

from tests.cookbooks.lamquant.edf_writer import Edf, Sig, eeg, lists, walk

PATIENT = "MCH-0234567 F 02-MAY-1951 Haagse_Harry"
RECORDING = "Startdate 02-MAR-2002 EMG561 BK/JOP Sony"
RECORDS = 12


def night(width: int = 2, discontinuous: bool = False) -> Edf:
    """A recording of four EEG channels at 64 Hz, an ECG at 128, a temperature at 1 Hz, and annotations."""
    kind = "EDF" if width == 2 else "BDF"
    onsets = [f"+{index + (7.5 if discontinuous and index >= 5 else 0):g}" for index in range(RECORDS)]
    texts = [b""] * RECORDS
    texts[1] = b"+1.25\x150.5\x14Seizure\x14"
    texts[2] = b"+2.75\x14Harry moved his hand\x14"
    texts[6] = f"{onsets[6]}\x15{2}\x14eye blink\x14".encode()
    reach = 3000 if width == 2 else 300_000
    limits = (
        {} if width == 2 else {"dmin": "-8388608", "dmax": "8388607", "pmin": "-262144", "pmax": "262143"}
    )

    def channel(label: str, seed: int, n: int = 64, **more: object) -> Sig:
        return eeg(label, seed, digital=walk(seed, n, RECORDS, reach), **{**limits, **more})

    signals = [
        channel("EEG Fp1-Ref", 1, transducer="AgAgCl electrode", prefilter="HP:0.1Hz LP:75Hz"),
        channel("EEG Fp2-Ref", 2, transducer="AgAgCl electrode", prefilter="HP:0.1Hz LP:75Hz N:50Hz"),
        channel("ECG", 3, 128, unit="mV", pmin="-3.2768", pmax="3.2767"),
        lists(f"{kind} Annotations", 60, width, onsets, texts),
        channel("EEG C3-Ref", 4, pmin="-800.5", pmax="800.5"),
        channel("Temp rectal", 5, 1, unit="degreeC", pmin="34.4", pmax="40.2"),
        channel("EEG C4-Ref", 6),
    ]
    if width == 3:
        signals.append(channel("Status", 7, unit="Boolean"))
    return Edf(
        signals,
        width,
        RECORDS,
        patient=PATIENT,
        recording=RECORDING,
        date="02.03.02",
        time="23.15.07",
        reserved=f"{kind}+{'D' if discontinuous else 'C'}",
    )


def written(directory: Path, name: str, recording: Edf) -> Path:
    """The recording as a file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(recording.bytes())
    return path
