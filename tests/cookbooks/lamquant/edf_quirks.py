"""Files as recorders, converters and archives write them: what is read of each, and what other readers do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.cookbooks.lamquant.edf_writer import Edf, N, Sig, eeg, lists, walk

FOUR = ("Fp1", "Fp2", "C3", "C4")


def four(labels: Sequence[str | bytes] = FOUR, **more: Any) -> list[Sig]:
    return [eeg(label, seed, **more) for seed, label in enumerate(labels)]


def one_odd(**more: Any) -> list[Sig]:
    """Four channels of which C3 is not as the others."""
    first, second, third, fourth = four()
    return [first, second, replace(third, **more), fourth]


def bdf(**more: Any) -> list[Sig]:
    limits = {"dmin": "-8388608", "dmax": "8388607", "pmin": "-262144", "pmax": "262143"}
    return [
        replace(Sig(label, walk(seed, reach=4_000_000)), **(limits | more)) for seed, label in enumerate(FOUR)
    ]


@dataclass(frozen=True)
class Quirk:
    """A file, and what is right.

    ``channels`` maps names as read to the position of the signal in the file; None where the file is refused,
    and then ``says`` is in the message. ``segments`` are numbers of records.
    """

    file: Edf
    channels: dict[str, int] | None = None
    repairs: int = 0
    segments: tuple[int, ...] = (6,)
    says: str = ""


def plain(names: Sequence[str] = FOUR, start: int = 0) -> dict[str, int]:
    return {name: index + start for index, name in enumerate(names)}


TAL = [f"+{index}" for index in range(6)]
GAP = ["+0", "+1", "+2", "+103", "+104", "+105"]
WITHOUT_C3 = {"Fp1": 0, "Fp2": 1, "C4": 3}

QUIRKS: dict[str, Quirk] = {
    # --- nothing is wrong
    "plain EDF": Quirk(Edf(four()), plain()),
    "EDF+C": Quirk(Edf([*four(), lists()], reserved="EDF+C"), plain()),
    "BDF": Quirk(Edf(bdf(), width=3, reserved="24BIT"), plain()),
    "BDF+C": Quirk(Edf([*bdf(), lists("BDF Annotations", width=3)], width=3, reserved="BDF+C"), plain()),
    "a channel of another rate": Quirk(
        Edf([*four(), Sig("O1", walk(9, 32)), eeg("O2", 8)]), plain() | {"O2": 5}
    ),
    # --- annotation signals
    "annotations first, label ends in NUL": Quirk(
        Edf([lists(b"EDF Annotations\0", N), *four()], reserved="EDF+C"), plain(start=1)
    ),
    "annotations in the middle, label begins with a space": Quirk(
        Edf([*four()[:2], lists(" EDF Annotations", N), *four()[2:]], reserved="EDF+C"),
        {"Fp1": 0, "Fp2": 1, "C3": 3, "C4": 4},
    ),
    "annotations in capitals": Quirk(
        Edf([lists("EDF ANNOTATIONS", N), *four()], reserved="EDF+C"), plain(start=1)
    ),
    "annotations in small letters": Quirk(
        Edf([*four(), lists("edf annotations", N)], reserved="EDF+C"), plain()
    ),
    "annotations with a number": Quirk(
        Edf([*four(), lists("EDF Annotations2", N)], reserved="EDF+C"), plain()
    ),
    "annotations of BDF in EDF": Quirk(
        Edf([*four(), lists("BDF Annotations", N)], reserved="EDF+C"), plain()
    ),
    "annotations in BDF, label ends in NUL": Quirk(
        Edf([lists(b"BDF Annotations\0", N, 3), *bdf()], width=3, reserved="BDF+C"), plain(start=1)
    ),
    "annotations of EDF in BDF": Quirk(
        Edf([*bdf()[:2], lists("EDF Annotations", N, 3), *bdf()[2:]], width=3, reserved="BDF+C"),
        {"Fp1": 0, "Fp2": 1, "C3": 3, "C4": 4},
    ),
    "a text channel with a voltage": Quirk(
        Edf(
            [*four(), lists("Annotations", N, unit="uV", texts=[b"+1\x14Ottilie Quendelheim\x14"])],
            reserved="EDF+C",
        ),
        plain(),
    ),
    "a text channel that is called like an electrode": Quirk(
        Edf([lists("Cz", N, unit="uV", texts=[b"+1\x14Ottilie Quendelheim\x14"]), *four()]), plain(start=1)
    ),
    "a text channel that says EEG": Quirk(
        Edf(
            [
                Sig("EEG Cz", content=lambda k: b"Quendelheim, Ottilie, born 02-MAY-1951 ".ljust(128, b".")),
                *four([f"EEG {label}" for label in FOUR]),
            ]
        ),
        plain([f"EEG {label}" for label in FOUR], 1),
    ),
    "text that comes two letters at a time": Quirk(
        Edf(
            [Sig("EEG Cz", content=lambda k: b"Quendelheim, Ottilie; born in May 1951"[2 * k % 38 :][:2])]
            + [Sig(f"EEG {label}", walk(k, 1, 300)) for k, label in enumerate(FOUR)],
            records=300,
            duration="0.004",
        ),
        plain([f"EEG {label}" for label in FOUR], 1),
        segments=(300,),
    ),
    "two annotation signals": Quirk(
        Edf(
            [lists(n=N), *four(), lists(n=20, onsets=[""] * 6, texts=[b"", b"+1\x14eyes\x14"])],
            reserved="EDF+C",
        ),
        plain(start=1),
    ),
    "annotations in plain EDF": Quirk(Edf([*four(), lists(n=N)]), plain()),
    "annotations without a time": Quirk(
        Edf([*four(), lists(n=N, onsets=[""] * 6)], reserved="EDF+C"), plain()
    ),
    # --- time-keeping
    "EDF+C with a gap": Quirk(Edf([*four(), lists(onsets=GAP)], reserved="EDF+C"), plain(), segments=(3, 3)),
    "EDF+D without a gap": Quirk(Edf([*four(), lists()], reserved="EDF+D"), plain()),
    "EDF+D with a gap": Quirk(Edf([*four(), lists(onsets=GAP)], reserved="EDF+D"), plain(), segments=(3, 3)),
    "EDF+D, all records apart": Quirk(
        Edf([*four(), lists(onsets=[f"+{10 * k}" for k in range(6)])], reserved="EDF+D"),
        plain(),
        segments=(1,) * 6,
    ),
    "a gap of one sample": Quirk(
        Edf(
            [*four(), lists(onsets=["+0", "+1", "+2", "+3.015625", "+4.015625", "+5.015625"])],
            reserved="EDF+C",
        ),
        plain(),
        segments=(3, 3),
    ),
    "times that overlap": Quirk(
        Edf([*four(), lists(onsets=["+0", "+1", "+2", "+2.5", "+3.5", "+4.5"])], reserved="EDF+C"),
        plain(),
        segments=(3, 3),
    ),
    "times that jitter": Quirk(
        Edf([*four(), lists(onsets=["+0", "+1.002", "+2", "+2.999", "+4.001", "+5"])], reserved="EDF+C"),
        plain(),
    ),
    "times of a clock that jitters": Quirk(
        Edf(
            [*four(), lists(onsets=["+0", "+1.006", "+1.995", "+3.004", "+3.994", "+5.005"])],
            reserved="EDF+D",
        ),
        plain(),
    ),
    "a gap among times that jitter": Quirk(
        Edf(
            [*four(), lists(onsets=["+0", "+1.006", "+1.995", "+3.104", "+4.094", "+5.105"])],
            reserved="EDF+D",
        ),
        plain(),
        segments=(3, 3),
    ),
    "gaps of many lengths": Quirk(
        Edf([*four(), lists(onsets=["+0", "+2", "+5", "+7.5", "+17", "+18.1"])], reserved="EDF+D"),
        plain(),
        segments=(1,) * 6,
    ),
    "times that begin late": Quirk(
        Edf([*four(), lists(onsets=[f"+{k}.25" for k in range(6)])], reserved="EDF+C"), plain()
    ),
    "times with a comma": Quirk(
        Edf([*four(), lists(onsets=[f"+{k},0" for k in range(6)])], reserved="EDF+D"), plain()
    ),
    "times that are rounded": Quirk(
        Edf(
            [*four(), lists(onsets=["+0.00", "+0.33", "+0.67", "+1.00", "+1.33", "+1.67"])],
            reserved="EDF+C",
            duration="0.333333",
        ),
        plain(),
    ),
    "times that stand still": Quirk(Edf([*four(), lists(onsets=["+0"] * 6)], reserved="EDF+C"), plain()),
    "EDF+D whose times stand still": Quirk(
        Edf([*four(), lists(onsets=["+0"] * 6)], reserved="EDF+D"), says="do not say when they begin"
    ),
    "one record without its time": Quirk(
        Edf([*four(), lists(onsets=["+0", "+1", "", "+3", "+4", "+5"])], reserved="EDF+D"), plain()
    ),
    "records without a time at a gap": Quirk(
        Edf([*four(), lists(onsets=["+0", "+1", "+2", "", "", "+100"])], reserved="EDF+D"),
        plain(),
        segments=(3, 1, 1, 1),
    ),
    "a record without a time at a gap of EDF+C": Quirk(
        Edf([*four(), lists(onsets=["+0", "+1", "", "+50", "+51", "+52"])], reserved="EDF+C"),
        plain(),
        segments=(2, 1, 3),
    ),
    "EDF+D without a time at both ends": Quirk(
        Edf([*four(), lists(onsets=["", "", "+7", "+8", "+9", ""])], reserved="EDF+D"),
        plain(),
        segments=(1, 1, 3, 1),
    ),
    "EDF+C without a time at both ends": Quirk(
        Edf([*four(), lists(onsets=["", "", "+2", "+3", "+4", ""])], reserved="EDF+C"), plain()
    ),
    "records without a time before the beginning": Quirk(
        Edf([*four(), lists(onsets=["", "", "+0", "+1", "+2", "+3"])], reserved="EDF+C"),
        plain(),
        segments=(1, 1, 4),
    ),
    "a second annotation signal has empty texts at other times": Quirk(
        Edf(
            [
                lists(n=N, onsets=["+0", "+1", "", "+3", "+4", "+5"]),
                *four(),
                lists(n=20, onsets=[f"+{7 * k}.3" for k in range(6)]),
            ],
            reserved="EDF+C",
        ),
        plain(start=1),
    ),
    "the second annotation signal keeps the time": Quirk(
        Edf([lists(n=N, onsets=["", "", "+9", "", "", ""]), *four(), lists(onsets=GAP)], reserved="EDF+D"),
        plain(start=1),
        segments=(3, 3),
    ),
    "EDF+D without times": Quirk(
        Edf([*four(), lists(onsets=[""] * 6)], reserved="EDF+D"), says="do not say when they begin"
    ),
    "no duration, but times": Quirk(
        Edf([*four(), lists(onsets=[f"+{k * 0.5}" for k in range(6)])], reserved="EDF+C", duration="0"),
        plain(),
        repairs=1,
    ),
    "no duration and no times": Quirk(Edf(four(), duration="0"), says="no sampling rate"),
    "a negative duration": Quirk(Edf(four(), duration="-1"), says="no sampling rate"),
    "a duration with a comma": Quirk(Edf(four(), duration="0,5"), plain(), repairs=1),
    # --- the number of records
    "never closed": Quirk(Edf(four(), count="-1"), plain(), repairs=1),
    "never closed, last record cut": Quirk(
        Edf(four(), count="-1", cut=100), plain(), repairs=1, segments=(5,)
    ),
    "zero records stated": Quirk(Edf(four(), count="0"), plain(), repairs=1),
    "no number of records": Quirk(Edf(four(), count=""), plain(), repairs=1),
    "more records than stated": Quirk(Edf(four(), count="4"), plain(), repairs=1),
    "fewer records than stated": Quirk(Edf(four(), count="9"), plain(), repairs=1),
    "last record cut": Quirk(Edf(four(), cut=200), plain(), repairs=1, segments=(5,)),
    "last record cut by one byte": Quirk(Edf(four(), cut=1), plain(), repairs=1, segments=(5,)),
    "a decimal number of records": Quirk(Edf(four(), count="6.0"), plain(), repairs=1),
    "a few bytes behind": Quirk(Edf(four(), tail=b"\0" * 100), plain()),
    "text behind": Quirk(
        Edf(four(), tail=b"Quendelheim, Ottilie; phone 0456-778899. ".ljust(512, b"~") * 3), plain()
    ),
    "zeros behind": Quirk(Edf(four(), tail=b"\0" * 2048), plain()),
    "records behind, without their times": Quirk(
        Edf([*four(), lists(n=N)], reserved="EDF+C", tail=walk(1, 320, 2).astype("<i2").tobytes()), plain()
    ),
    "a name behind": Quirk(
        Edf(four(), patient="Quendelheim", tail=walk(1, 250, 1).astype("<i2").tobytes() + b"quendelheim."),
        plain(),
    ),
    "no data": Quirk(Edf(four(), cut=6 * 4 * 128), says="truncated: the file holds 0.00"),
    "less than a record": Quirk(Edf(four(), cut=6 * 4 * 128 - 100), says="truncated"),
    "header cut": Quirk(Edf(four(), cut=6 * 4 * 128 + 300), says="header: truncated"),
    # --- the size of the header
    "header bytes too few": Quirk(Edf(four(), header_bytes="1024"), plain(), repairs=1),
    "header bytes too many": Quirk(Edf(four(), header_bytes="1536"), plain(), repairs=1),
    "no header bytes": Quirk(Edf(four(), header_bytes=""), plain(), repairs=1),
    "header bytes of zero": Quirk(Edf(four(), header_bytes="0"), plain(), repairs=1),
    "a longer header": Quirk(Edf(four(), header_bytes="1536", between=b"x" * 256), plain(), repairs=1),
    "a longer header, never closed": Quirk(
        Edf(four(), header_bytes="1536", between=b"x" * 256, count="-1"), plain(), repairs=2
    ),
    "a header that may be either": Quirk(
        Edf(four(), header_bytes="1792", count="-1"), says="both fit the file"
    ),
    # --- units
    **{
        f"unit {unit!r}": Quirk(Edf(four(unit=unit)), plain(), repairs=4)
        for unit in (
            *("uVolts", "UV", "uv", b"uV\0junk", b"\xb5V", b"\xc2\xb5V", b"\xce\xbcV", b"\xe6V", "microV"),
            *("microvol", "uVolt", "u V"),
        )
    },
    "unit mV": Quirk(Edf(four(unit="mV", pmin="-1", pmax="1")), plain()),
    "unit mVolts": Quirk(Edf(four(unit="mVolts", pmin="-1", pmax="1")), plain(), repairs=4),
    "unit V": Quirk(Edf(four(unit="V", pmin="-0.001", pmax="0.001")), plain()),
    "unit Volt": Quirk(Edf(four(unit="Volt", pmin="-0.001", pmax="0.001")), plain(), repairs=4),
    "unit nV": Quirk(Edf(four(unit="nV", pmin="-1000000", pmax="1000000")), plain()),
    "unit MV": Quirk(Edf(one_odd(unit="MV")), WITHOUT_C3),
    "no unit": Quirk(Edf(one_odd(unit="")), WITHOUT_C3),
    "an unknown unit": Quirk(Edf(one_odd(unit="furlong")), WITHOUT_C3),
    "no unit anywhere": Quirk(Edf(four(unit="")), says="has no unit"),
    # --- ranges
    "digital limits with a point": Quirk(Edf(one_odd(dmin="-32768.0", dmax="32767.0")), plain(), repairs=2),
    "digital limits behind a plus": Quirk(Edf(one_odd(dmax="+32767")), plain()),
    "digital limits turned round": Quirk(Edf(one_odd(dmin="32767", dmax="-32768")), plain(), repairs=1),
    "digital limits alike": Quirk(Edf(one_odd(dmin="0", dmax="0")), WITHOUT_C3),
    "no digital limits": Quirk(Edf(one_odd(dmin="", dmax="")), WITHOUT_C3),
    "digital limits of half a unit": Quirk(Edf(one_odd(dmin="-32767.5")), WITHOUT_C3),
    "physical limits turned round": Quirk(Edf(one_odd(pmin="1000", pmax="-1000")), plain()),
    "physical limits alike": Quirk(Edf(one_odd(pmin="0", pmax="0")), WITHOUT_C3),
    "physical limits that are no numbers": Quirk(Edf(one_odd(pmin="nan", pmax="inf")), WITHOUT_C3),
    "physical limits with a comma": Quirk(Edf(one_odd(pmin="-999,5", pmax="999,5")), plain(), repairs=2),
    "physical limits with an exponent": Quirk(Edf(one_odd(pmin="-1e3", pmax="1E+3")), plain()),
    "junk behind a limit": Quirk(Edf(one_odd(pmax=b"1000\0abc")), plain(), repairs=1),
    "physical limits beyond any number": Quirk(Edf(one_odd(pmin="-1e308", pmax="1e308")), WITHOUT_C3),
    "physical limits too close": Quirk(Edf(one_odd(pmin="0", pmax="1e-323")), WITHOUT_C3),
    "a record of three days": Quirk(Edf(four(), duration="259200"), says="no sampling rate"),
    "annotations, cut short": Quirk(
        Edf([lists("EDF Annotatio", N), *four()], reserved="EDF+C"), plain(start=1)
    ),
    "annotations in one word": Quirk(
        Edf([lists("EDFAnnotations", N), *four()], reserved="EDF+C"), plain(start=1)
    ),
    "annotations with an underscore": Quirk(
        Edf([*four(), lists("EDF_Annotations", N)], reserved="EDF+C"), plain()
    ),
    "annotations with no label": Quirk(
        Edf([lists("", N, onsets=GAP), *four()], reserved="EDF+C"), plain(start=1), segments=(3, 3)
    ),
    "an annotation signal of zeros": Quirk(
        Edf([lists("EDF Annotations", N, onsets=[""] * 6), *four()], reserved="EDF+C"), plain(start=1)
    ),
    "a Status signal in BDF": Quirk(
        Edf([*bdf(), replace(bdf()[0], label="Status", unit="Boolean")], width=3, reserved="24BIT"), plain()
    ),
    "samples beyond the digital limits": Quirk(Edf(one_odd(dmin="-100", dmax="100")), plain()),
    "an offset": Quirk(Edf(one_odd(dmin="0", dmax="4095", pmin="0", pmax="1650")), plain()),
    # --- labels
    "junk behind a label": Quirk(Edf(four([b"Fp1\0xyz", *FOUR[1:]])), plain(), repairs=1),
    "two channels of one name": Quirk(
        Edf(four(("Fp1", "T8-P8", "C3", "T8-P8"))), plain(("Fp1", "T8-P8", "C3", "T8-P8 (2)")), repairs=1
    ),
    "no label": Quirk(Edf(four((*FOUR[:3], ""))), plain(FOUR[:3])),
    "labels in small letters": Quirk(
        Edf(four(("fp1", "fp2", "c3", "c4"))), plain(("fp1", "fp2", "c3", "c4"))
    ),
    "labels with dots": Quirk(
        Edf(four(("Fc5.", "Fc3.", "Fcz.", "Cpz."))), plain(("Fc5.", "Fc3.", "Fcz.", "Cpz."))
    ),
    "a label that is a name": Quirk(Edf(four((*FOUR[:3], "Quendelheim"))), plain(FOUR[:3])),
    "a label that is a name and says EEG": Quirk(
        Edf(four(("EEG Fp1", "EEG Fp2", "EEG C3", "EEG Ottilie"))),
        plain(("EEG Fp1", "EEG Fp2", "EEG C3", "signal 3")),
    ),
    # --- the rest of the header
    "BDF in a file that says EDF+C": Quirk(Edf(bdf(), width=3, reserved="EDF+C"), plain()),
    "a version of NULs": Quirk(Edf(four(), version=b"0\0\0\0\0\0\0\0"), plain()),
    "no version": Quirk(Edf(four(), version=b""), says="neither EDF's nor BDF's"),
    "no date": Quirk(Edf(four(), date="", time=""), plain()),
    "a date that is none": Quirk(Edf(four(), date="31.02.99", time="25.61.00"), plain()),
    "an empty patient": Quirk(Edf(four(), patient="", recording=""), plain()),
    "NULs in the patient": Quirk(Edf(four(), patient=b"\0" * 80), plain()),
    "Latin letters in the patient": Quirk(Edf(four(), patient=b"M\xfcller"), plain()),
    "no signals": Quirk(Edf(four(), ns_field="0"), says="at least 1 is needed"),
    "a number of signals that is none": Quirk(Edf(four(), ns_field="four"), says="not a whole number"),
    "a signal without samples": Quirk(Edf([*four(), Sig("O1", content=lambda k: b"")]), plain()),
    "samples per record with a point": Quirk(Edf(one_odd(ns="64.0")), plain(), repairs=1),
    "samples per record that are no number": Quirk(Edf(one_odd(ns="many")), says="no sample can be placed"),
    "samples per record below zero": Quirk(Edf(one_odd(ns="-64")), says="negative"),
    "one sample a record": Quirk(
        Edf([Sig(label, walk(k, 1)) for k, label in enumerate(FOUR)], duration="0.004"), plain()
    ),
    "a rate that is not whole": Quirk(Edf(four(), duration="0.320001"), plain()),
}

LETTER = "takes only what follows the format to the letter"
PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "mne": {
        "refuses: reads whole numbers and points only": (
            *("a duration with a comma", "no number of records", "a decimal number of records"),
            *("no digital limits", "samples per record with a point"),
        ),
        "refuses: believes the size that the header says of itself": (
            *("header bytes too few", "header bytes too many", "no header bytes", "header bytes of zero"),
            *("a longer header", "a longer header, never closed"),
        ),
        "differs: what it does not know as uV or mV it takes for volts": (
            *("unit 'uVolts'", "unit 'UV'", "unit 'uv'", "unit b'uV\\x00junk'", "unit b'\\xc2\\xb5V'"),
            *("unit b'\\xce\\xbcV'", "unit b'\\xe6V'", "unit 'microV'", "unit 'microvol'", "unit 'uVolt'"),
            *("unit 'u V'", "unit mVolts", "unit nV"),
        ),
        "differs: takes whatever stands behind the records for records": (
            *("text behind", "zeros behind", "records behind, without their times", "a name behind"),
        ),
        "reads: passes over gaps": ("EDF+D without times", "EDF+D whose times stand still"),
        "reads: takes any duration, and a second where there is none": (
            *("no duration and no times", "a negative duration", "a record of three days"),
        ),
        "reads: takes what has no unit for volts": ("no unit anywhere",),
        "reads: does not look at the version": ("no version",),
        "reads: counts samples backwards": ("samples per record below zero",),
    },
    "pyedflib": {
        f"refuses: {LETTER}": (
            *("annotations first, label ends in NUL", "annotations in the middle, label begins with a space"),
            *("annotations in capitals", "annotations in small letters", "annotations with a number"),
            *(
                "annotations of BDF in EDF",
                "annotations in BDF, label ends in NUL",
                "annotations of EDF in BDF",
            ),
            *("annotations, cut short", "annotations in one word", "annotations with an underscore"),
            *("annotations with no label", "an annotation signal of zeros"),
            *("a text channel with a voltage", "annotations without a time", "no duration, but times"),
            *("a duration with a comma", "never closed", "never closed, last record cut"),
            *("zero records stated", "no number of records", "fewer records than stated", "last record cut"),
            *("last record cut by one byte", "a decimal number of records", "header bytes too few"),
            *("header bytes too many", "no header bytes", "header bytes of zero", "a longer header"),
            *(
                "a longer header, never closed",
                "unit b'uV\\x00junk'",
                "unit b'\\xb5V'",
                "unit b'\\xc2\\xb5V'",
            ),
            *("unit b'\\xce\\xbcV'", "unit b'\\xe6V'", "digital limits with a point", "no digital limits"),
            *(
                "digital limits of half a unit",
                "physical limits alike",
                "physical limits that are no numbers",
            ),
            *("physical limits with a comma", "junk behind a limit", "junk behind a label"),
            *("a version of NULs", "no date", "a date that is none", "NULs in the patient"),
            *("Latin letters in the patient", "a signal without samples", "samples per record with a point"),
        ),
        "refuses: reads no recording whose times are not those of the header": (
            *("EDF+C with a gap", "EDF+D without a gap", "EDF+D with a gap", "EDF+D, all records apart"),
            *("a gap of one sample", "times that overlap", "times that jitter", "times with a comma"),
            *("times that are rounded", "one record without its time", "times that stand still"),
            *("times of a clock that jitters", "a gap among times that jitter", "gaps of many lengths"),
            *("records without a time at a gap", "a record without a time at a gap of EDF+C"),
            *("EDF+D without a time at both ends", "EDF+C without a time at both ends"),
            "records without a time before the beginning",
            "a second annotation signal has empty texts at other times",
            "the second annotation signal keeps the time",
        ),
        "differs: reads as many records as the header says": ("more records than stated",),
        "reads: leaves the duration to its caller": (
            *("no duration and no times", "a record of three days"),
        ),
        "reads: leaves the unit to its caller": ("no unit anywhere",),
    },
}
"""Where other readers do not agree, and why. What is not named here they read as Blut does, or refuse too."""
