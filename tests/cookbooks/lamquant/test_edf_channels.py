"""Which signals of a file are taken for EEG, under which names, and what is said of the others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import ReadOptions, open_edf
from cookbooks.lamquant.formats.edf.units import microvolts_per
from cookbooks.lamquant.signal.montage import electrode, select_channels
from tests.cookbooks.lamquant.edf_writer import Edf, Sig, walk


def made(path: Path, labels: list[str], **more: Any) -> Path:
    signals = [Sig(label, walk(seed, 8)) for seed, label in enumerate(labels)]
    path.write_bytes(Edf(signals, **more).bytes())
    return path


def taken(path: Path, labels: list[str], **options: Any) -> list[str]:
    """The labels, as they stand in the file, of what is read."""
    with open_edf(made(path / "x.edf", labels), ReadOptions(**options)) as file:
        digital = file.read(file.segments[0])
    found = []
    for row in digital:
        (index,) = [k for k in range(len(labels)) if np.array_equal(row, walk(k, 8).reshape(-1))]
        found.append(labels[index])
    return found


def split(text: str) -> list[str]:
    return text.replace(" | ", "|").split("|")


FILES = {
    "10-20": ("Fp1 | Fp2 | F7 | F3 | Fz | T3 | T5 | O1 | A1 | A2", "ECG | EOG | Resp"),
    "10-10": ("AFz | FT9 | FC5 | TP10 | PO7 | CP1 | Iz | Nz | M1 | T7 | P8", "VEOG | HEOG"),
    "10-5": ("AFF5h | FFC3h | CCP1h | TPP9h | POO10h | OI1h | FTT7h | PPO2", ""),
    "small letters and dots": ("fp1 | Fc5. | Fcz. | c3 | O1.. | OZ", "Resp oro-nasal"),
    "says EEG for some": (
        "EEG Fp1 | EEG F3 | EEG Cz | EEG A1",
        "MK | 1 | 61 | A | B | C | D | SPO2 | HR | ECG | EMG1 | Fp2 | Cz",
    ),
    "TUH": (
        "EEG FP1-REF | EEG C3P-REF | EEG 31-REF | EEG T1-REF | EEG SP1-REF",
        "EEG EKG1-REF | EEG LOC-REF | EEG RLC-REF | PHOTIC-REF | IBI | BURSTS | SUPPR | EMG-REF | DC1-DC",
    ),
    "CHB-MIT": ("FP1-F7 | F7-T7 | FZ-CZ | T8-P8 | FT9-FT10", "- | ECG | VNS | LOC-ROC | ."),
    "sleep": (
        "C3-A2 | C4-A1 | O1-A2 | F4-M1",
        "E1-M2 | E2-M2 | E1 | LOC-A2 | ROC-A1 | Chin1-Chin2 | LAT-RAT | ABD1 | THOR | POS2 | TEMP1 | SaO2 | "
        "Leg1 | Light | X1 | Pleth | SOUND | Nasal | Snore",
    ),
    "sleep with many muscles": (
        "F3-M2 | F4-M1 | C3-M2 | C4-M1 | O1-M2 | O2-M1",
        "E1-M2 | E2-M2 | CHIN1 | CHIN2 | CHIN3 | LEG1 | LEG2 | LEG3 | LEG4 | ECG1 | ARM1 | ARM2 | ARM3",
    ),
    "sleep, every electrode for itself": (
        "F3 | F4 | C3 | C4 | O1 | O2 | M1 | M2",
        "E1 | E2 | CHIN1 | CHIN2 | LLEG1 | LLEG2 | RLEG1 | RLEG2 | LLEG3 | FLOW1 | POS1 | ECG1 | LAT1 | "
        "RAT1 | LEOG1 | REOG1 | RIP1 | RIP2 | RIP3 | ETCO2 | REF1 | GND1 | TTL1 | GYRO1 | GYR1 | GYR2 | "
        "GYR3 | BELT1 | THERM1 | ABP1 | ICP1 | TIB1 | TIB2 | TIB3 | SUBM1 | MASS1 | NASAL1 | CANNULA1 | "
        "CPAP1 | SPO2 | HR1 | PR1 | ACC1 | ACC2 | ACC3 | MIC1 | PHOTIC1 | TRIG1 | DC1 | AUX1 | AUX2 | "
        "AUX3 | AUX4 | BIP1 | BIP9 | OSAT1 | PLETH1 | PTT1 | BP1 | CO2 | EKG1 | X1 | X2 | X3 | LEGL1 | "
        "LEGR1 | CHINL1 | EOGL1 | EMGCHIN1 | QUUX1 | QUUX2 | RCHIN1 | LARM1 | PTAF1 | TCCO2 | BPAP1",
    ),
    "sleep with one electrode of each side": ("C3 | O1", "CHIN1 | CHIN2 | LEG1 | LEG2 | LEG3"),
    "sleep that says EEG": ("EEG C3-A2 | EEG C4-A1", "EEG CHIN1 | EEG LLEG1 | EEG LEOG | Chin1"),
    "arrays and scalp": (
        "Fz | C3 | C4 | RHIP1 | RHIP2 | RHIP3 | RIP1 | RIP2 | RIP3 | LA1",
        "RIP | LEG1 | CHIN3",
    ),
    "arrays of a net and its reference": ("E1 | E2 | E3 | E4 | Cz", ""),
    "one strip": ("TEMP1 | TEMP2 | TEMP3 | TEMP4", "ECG1"),
    "arrays that are called like muscles": ("LA1 | LA2 | LEG1 | LEG2 | ARM1 | ICP1", "EMG1 | GND1"),
    "sleep without references": ("C3 | C4 | O1 | O2", "E1 | E2 | Chin1 | Leg1 | Temp1 | ECG | Abd1"),
    "eyes and one electrode": ("Cz", "E1 | E2"),
    "Sleep-EDF": (
        "EEG Fpz-Cz | EEG Pz-Oz",
        "EOG horizontal | Resp oro-nasal | EMG submental | Temp rectal | Event marker",
    ),
    "NSRR": ("EEG(sec) | EEG | EEG2", "SaO2 | H.R. | ECG | EMG | EOG(L) | POSITION | LIGHT | OX stat"),
    "BioSemi": (
        "A1 | A2 | A32 | B1 | B32 | C16 | D9 | H32",
        "EXG1 | EXG8 | GSR1 | GSR2 | Erg1 | Resp | Plet | Temp | Status",
    ),
    "EGI": ("E1 | E2 | E3 | E17 | E128 | E256", "ECG | EMG | Resp Effort | VREF"),
    "depth electrodes": (
        "LA1 | LA2 | A'3 | POST1 | TEMP4 | POS2 | ABD1 | RHip12 | GRID64 | O'1",
        "EKG1 | DC01 | EMG1 | MK1 | TRIG | C | 12",
    ),
    "depth electrodes of cingulum and cortex": (
        "ACC1 | ACC2 | PRC4 | SAT1 | DCX2",
        "MIC | HR | TEMP",
    ),
    "depth electrodes and scalp": ("Fz | Cz | LA1 | TEMP1 | TEMP2 | TEMP3 | TEMP4", "ABD1 | POS2"),
    "Nihon Kohden": ("POL Fp1 | POL F3 | POL LA1 | POL A'10", "POL E | POL DC01 | POL ECG | POL EMG1"),
    "references": ("Fp1-AVE | F3-Ref | C3-LE | P3-AVG | O1-A1A2 | Fp2-CLE | F4-M2 | Fz-Cz", ""),
    "pairs of contacts": ("LA1-LA2 | LA2-LA3 | RB7-RB8", "LA-EKG | ECG1-ECG2"),
}


@pytest.mark.parametrize("kind", FILES)
def test_electrodes_are_told_from_everything_else(kind: str, tmp_path: Path) -> None:
    eeg, other = FILES[kind]
    names = split(eeg)
    assert taken(tmp_path, names + (split(other) if other else [])) == names
    assert taken(tmp_path, (split(other) if other else [])[::-1] + names) == names


def test_the_lists_of_the_user_decide(tmp_path: Path) -> None:
    labels = ["EEG Fp1-A2", "EEG C3", "EEG T8", "MK", "61", "ECG", "Depth left"]
    assert taken(tmp_path, labels, channels=("fp1", "61", "depth LEFT")) == ["EEG Fp1-A2", "61", "Depth left"]
    assert taken(tmp_path, labels, exclude=("Fp1",)) == ["EEG C3", "EEG T8"]
    assert taken(tmp_path, labels, channels=("C3", "ECG"), exclude=("ECG",)) == ["EEG C3"]
    assert taken(tmp_path, labels, channels=("signal 3",)) == ["MK"]
    with open_edf(tmp_path / "x.edf", ReadOptions(channels=("C3", "Depth left", "Oz"))) as file:
        assert file.channels == ["EEG C3", "Depth left"]
        assert ("Oz", "is in `eeg_channels`, but not in the file") in [
            (one.label, one.reason) for one in file.left_out
        ]
    with pytest.raises(BadRecording, match="correct `eeg_channels`"):
        open_edf(tmp_path / "x.edf", ReadOptions(channels=("Oz",)))


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path) -> None:
    labels = ["Cz", "ECG", "Resp oro-nasal", "Miller", "", "17", "Pz", "Oz"]
    signals = [Sig(label, walk(k, 8)) for k, label in enumerate(labels)]
    signals[6] = Sig("Pz", walk(6, 8), unit="furlong")
    signals[7] = Sig("Oz", walk(7, 4))
    path = tmp_path / "x.edf"
    path.write_bytes(Edf(signals).bytes())
    with open_edf(path) as file:
        assert {one.label: one.reason for one in file.left_out} == {
            "ECG": "not EEG by its label",
            "Resp oro-nasal": "not EEG by its label",
            "signal 3": "is no electrode that is known; name it in `eeg_channels` to use it",
            "signal 4": "is no electrode that is known; name it in `eeg_channels` to use it",
            "17": "is no electrode that is known; name it in `eeg_channels` to use it",
            "Pz": "its unit is not a voltage that is known",
            "Oz": "sampled at 4 Hz, the others at 8 Hz",
        }


TELLING = (
    "EEG 14.03.71 | EEG 030 765 432 | EEG 88-77-66-55 | EEG 14/03 | EEG 1971-03-14 | EEG 14 3 71 | "
    "EEG A14 B03 C71 | EEG 03076-5 | EEG 47 11 | EEG Zyxwv1 | EEG Ottil7 | Tel-030-12 | EEG_14_03_71 | "
    "EEG (030)7654 | EEG Fp1 14.3.71 | EEG 71.03"
)
HARMLESS = (
    "EEG Fp1-A2 | EEG FT10-TP10 | EEG G127-G128 | EEG Xyz1 | EEG Xyz2 | EEG 31-REF | EEG 31-32 | EEG LA1 | "
    "EEG POST7-POST8 | EEG T8-P8-0 | EEG Oz (2) | EEG E256 | EEG RHip1"
)


def test_dates_numbers_and_words_are_no_names_of_channels(tmp_path: Path) -> None:
    telling, harmless = split(TELLING), split(HARMLESS)
    with open_edf(made(tmp_path / "x.edf", harmless + telling, patient="4711 F X X")) as file:
        names = [one for one in file.channels] + [one.label for one in file.left_out]
    assert sorted(names) == sorted(harmless + [f"signal {len(harmless) + k}" for k in range(len(telling))])


def test_more_channels_than_an_archive_holds_are_refused_with_a_remedy(tmp_path: Path) -> None:
    path = made(tmp_path / "x.edf", [f"G{k}" for k in range(1, 1000)] + [f"H{k}" for k in range(1, 27)])
    with pytest.raises(BadRecording, match="1025 EEG channels, and an archive holds 1024") as caught:
        open_edf(path)
    assert "eeg_channels" in caught.value.remedy
    with open_edf(path, ReadOptions(exclude=("H1",))) as file:
        assert len(file.channels) == 1024


@pytest.mark.parametrize(
    ("label", "place"),
    [
        *(("EEG Fp1-A2", "FP1"), ("EEG Fp1-M2", "FP1"), ("EEG Fp1-AVE", "FP1"), ("POL Fp1", "FP1")),
        *(("EEG T7-REF", "T3"), ("t3", "T3"), ("T8", "T4"), ("P7", "T5"), ("EEG FP1-LE", "FP1")),
        *(("Fp1-F7", "FP1-F7"), ("EEG Fpz-Cz", "FPZ-CZ"), ("Fc5.", "FC5"), ("A1", "A1"), ("A1-A2", "A1")),
        *(
            ("EEG Fp1-A1A2", "FP1"),
            ("EEG-Cz", "CZ"),
            ("EEG_Cz", "CZ"),
            ("EEG  Cz ", "CZ"),
            ("T8-P8-0", "T8-P8"),
        ),
        *(("EEG C3-Ref", "C3"), ("seeg LA1", "LA1"), ("EEG Oz (2)", "OZ"), ("", "")),
    ],
)
def test_a_channel_is_known_by_its_electrode(label: str, place: str) -> None:
    assert electrode(label) == place


def test_two_names_of_one_place_are_one_channel() -> None:
    channels = ["EEG T3-A1", "EEG Cz-A1", "EEG T3-A2"]
    assert select_channels(channels, [0, 1, 2], ["T3", "T7", "Cz", "cz"]) == (["T3", "Cz"], [0, 1])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *(("uV", 1.0), ("UV", 1.0), ("uVolts", 1.0), ("microvolts", 1.0), ("µV", 1.0), ("Âµv", 1.0)),
        *(
            ("mV", 1e3),
            ("mv", 1e3),
            ("millivolt", 1e3),
            ("V", 1e6),
            ("volts", 1e6),
            ("nV", 1e-3),
            ("NV", 1e-3),
        ),
        *(
            ("MV", None),
            ("Mv", None),
            ("MVolt", None),
            ("", None),
            ("uA", None),
            ("%", None),
            ("uV/Hz", None),
        ),
        *(("kV", None), ("degC", None), ("uVV", None), ("?V", None), ("uV2", None)),
    ],
)
def test_a_unit_is_microvolts_or_not_known(unit: str, factor: float | None) -> None:
    assert microvolts_per(unit) == factor


def test_what_is_read_can_be_written_as_json(tmp_path: Path) -> None:
    with open_edf(made(tmp_path / "x.edf", ["EEG Fp1", "EEG ECG"])) as file:
        assert json.loads(json.dumps(file.ranges)) == [[-32768, 32767, -1000.0, 1000.0, "uV"]]
