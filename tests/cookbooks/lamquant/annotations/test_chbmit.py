"""Seizure lists of CHB-MIT: the summary of a patient, and a file of WFDB annotations for a recording."""

import struct
from pathlib import Path

import pytest

from cookbooks.lamquant.annotations.marks import About, Piece
from tests.cookbooks.lamquant.annotations.written import events, outcome, refused, seizures_file, table, whole

SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb01_01.edf
File Start Time: 11:42:54
File End Time: 12:42:54
Number of Seizures in File: 0

File Name: chb01_03.edf
File Start Time: 13:43:04
Number of Seizures in File: 2
Seizure 1 Start Time:     29 seconds
Seizure 1 End Time:  40 seconds
Seizure 2 Start Time: 296 seconds
Seizure 2 End Time: 336 seconds

File Name: chb01_04.edf
Number of Seizures in File: 1
Seizure Start Time: 1467 seconds
Seizure End Time: 1494 seconds
"""
NAME = "chb01-summary.txt"
MINE = whole("chb01_03.edf")
FOUND = [("CRITICAL", 29.0, 11.0), ("CRITICAL", 296.0, 40.0)]


def summary(
    folder: Path, text: str | bytes, recording: str = "chb01_03.edf", span: float = 345.0, **files: bytes
):
    return outcome(folder, {NAME: text, **files}, about=whole(recording, span))


def test_a_summary_gives_the_seizures_of_a_file(tmp_path: Path) -> None:
    assert events(summary(tmp_path, SUMMARY)) == FOUND
    assert events(summary(tmp_path, SUMMARY.replace("\n", "\r\n").upper())) == FOUND
    one = summary(tmp_path, SUMMARY, "chb01_04.edf", 3600.0)
    assert events(one) == [("CRITICAL", 1467.0, 27.0)]


def test_a_file_without_seizures_is_not_a_file_that_is_not_listed(tmp_path: Path) -> None:
    quiet = summary(tmp_path, SUMMARY, "chb01_01.edf")
    assert (quiet.state, events(quiet), quiet.sources) == ("annotated", [], ["summary"])
    absent = summary(tmp_path, SUMMARY, "chb01_02.edf")
    assert (absent.state, absent.sources) == ("unannotated", [])


@table(
    {
        "count too low": (("in File: 2", "in File: 1"), "2 seizures are listed, and another number"),
        "count too high": (("in File: 2", "in File: 3"), "2 seizures are listed, and another number"),
        "no count": (("Number of Seizures in File: 2\n", ""), "not one number of seizures"),
        "no end": (("Seizure 2 End Time: 336 seconds\n", ""), "the last seizure has no end"),
        "no start": (("Seizure 2 Start Time: 296 seconds\n", ""), "do not take turns"),
        "backwards": (("336 seconds", "236 seconds"), "does not belong to the start"),
        "numbers crossed": (("Seizure 2 End", "Seizure 1 End"), "does not belong to the start"),
        "minutes": (("29 seconds", "29 minutes"), "neither the start nor the end"),
        "no number": (("29 seconds", "soon seconds"), "neither the start nor the end"),
        "after the end": (("336 seconds", "1336 seconds"), "outside the recording"),
        "listed twice": (("chb01_01.edf", "chb01_03.edf"), "once more"),
        "NUL": (("29 seconds", "29\0seconds"), "control characters"),
    }
)
def test_a_broken_part_costs_its_file_the_labels_and_no_other(
    tmp_path: Path, case: tuple[tuple[str, str], str]
) -> None:
    old, new = case[0]
    refused(summary(tmp_path, SUMMARY.replace(old, new)), "summary", case[1])
    if "\0" not in new:
        assert summary(tmp_path, SUMMARY.replace(old, new), "chb01_04.edf", 3600.0).state == "annotated"


def test_two_summaries_that_list_a_file_are_one_too_many(tmp_path: Path) -> None:
    files = {NAME: SUMMARY, "other-summary.txt": SUMMARY}
    refused(outcome(tmp_path, files, about=MINE), "summary", "two lists")
    files["other-summary.txt"] = "File Name: chb02_01.edf\nNumber of Seizures in File: 0\n"
    assert events(outcome(tmp_path, files, about=MINE)) == FOUND


def test_what_macos_leaves_beside_a_summary_is_no_summary(tmp_path: Path) -> None:
    files = {NAME: SUMMARY, f"._{NAME}": b"\0\5\x16\7\0\2\0\0Mac OS X"}
    assert events(outcome(tmp_path, files, about=MINE)) == FOUND


PAIRS = [(29 * 256, 40 * 256), (296 * 256, 336 * 256)]


@pytest.mark.parametrize("resolution", ["", "256", "256.000"])
def test_seizures_of_wfdb_are_read(tmp_path: Path, resolution: str) -> None:
    data = seizures_file(PAIRS, resolution=resolution)
    found = outcome(tmp_path, {"chb01_03.edf.seizures": data}, about=MINE)
    assert (events(found), found.sources) == (FOUND, ["seizures"])


def test_seizures_of_wfdb_count_by_their_own_resolution(tmp_path: Path) -> None:
    data = seizures_file([(29_000, 40_000), (296_000, 336_000)], resolution="1000")
    assert events(outcome(tmp_path, {"chb01_03.edf.seizures": data}, about=MINE)) == FOUND


def test_steps_of_every_length_are_read(tmp_path: Path) -> None:
    """Below 1024 samples a step is in the word, from there it takes a skip of two more."""
    for step in (1, 1023, 1024, 65_535, 65_536, 80_000):
        found = outcome(tmp_path, {"x.edf.seizures": seizures_file([(5, 5 + step)])})
        assert events(found) == [
            ("CRITICAL", pytest.approx(5 / 256, abs=1e-6), pytest.approx(step / 256, abs=1e-6))
        ]


def test_other_annotations_in_it_are_passed_over(tmp_path: Path) -> None:
    note = struct.pack("<HH", 22 << 10 | 100, 63 << 10 | 3) + b"abc\0"
    number = struct.pack("<HHH", 60 << 10 | 1, 61 << 10 | 2, 62 << 10 | 3)
    pair = struct.pack("<HH", 32 << 10 | 156, 33 << 10 | 256)
    found = outcome(tmp_path, {"x.edf.seizures": note + number + pair + b"\0\0\0\0"})
    assert events(found) == [("CRITICAL", 1.0, 1.0)]


def test_samples_are_counted_as_if_there_was_no_gap(tmp_path: Path) -> None:
    pieces = (Piece("a", 0.0, 10.0, 2560, 256.0), Piece("b", 100.0, 10.0, 2560, 256.0))
    data = seizures_file([(9 * 256, 12 * 256)])
    found = outcome(tmp_path, {"x.edf.seizures": data}, about=About("x.edf", pieces))
    got = {stem: [(e.onset_s, e.duration_s) for e in each] for stem, each in found.events.items()}
    assert got == {"a": [(9.0, 1.0)], "b": [(0.0, 2.0)]}


GOOD = seizures_file(PAIRS)


@table(
    {
        "cut in a skip": (GOOD[:4], "cut off"),
        "cut in a word": (GOOD[:-3], "cut off"),
        "no end mark": (seizures_file(PAIRS, end=False), "cut off"),
        "empty": (b"", "cut off"),
        "start only": (struct.pack("<H", 32 << 10 | 5) + b"\0\0", "has no end"),
        "end only": (struct.pack("<H", 33 << 10 | 5) + b"\0\0", "take turns"),
        "two starts": (struct.pack("<HHH", 32 << 10 | 5, 32 << 10 | 5, 33 << 10 | 5) + b"\0\0", "take turns"),
        "of no length": (struct.pack("<HH", 32 << 10 | 5, 33 << 10) + b"\0\0", "does not end after"),
        "backwards": (
            struct.pack("<HHHHH", 32 << 10 | 900, 59 << 10, 0xFFFF, 0xFF00, 33 << 10) + b"\0\0",
            "back in time",
        ),
        "after the end": (seizures_file([(29 * 256, 400 * 256)]), "after the end"),
        "more after the end": (GOOD + b"name of somebody", "follows its end"),
        "text": (b"29 40 seizure of somebody", ""),
        "a long auxiliary": (struct.pack("<HH", 22 << 10, 63 << 10 | 1000) + b"x", "cut off"),
    }
)
def test_a_broken_seizures_file_costs_the_labels(tmp_path: Path, case: tuple[bytes, str]) -> None:
    refused(outcome(tmp_path, {"chb01_03.edf.seizures": case[0]}, about=MINE), "seizures", case[1])


def test_both_lists_are_compared(tmp_path: Path) -> None:
    name = "chb01_03.edf.seizures"
    both = outcome(tmp_path, {NAME: SUMMARY, name: GOOD}, about=MINE)
    assert (events(both), both.sources) == (FOUND, ["summary", "seizures"])
    near = seizures_file([(29 * 256 + 250, 40 * 256), (296 * 256, 336 * 256)])
    assert events(outcome(tmp_path, {NAME: SUMMARY, name: near}, about=MINE)) == FOUND
    for other in ([(31 * 256, 40 * 256), PAIRS[1]], PAIRS[:1], [], [*PAIRS, (340 * 256, 344 * 256)]):
        found = outcome(tmp_path, {NAME: SUMMARY, name: seizures_file(other)}, about=MINE)
        refused(found, "summary and seizures", "do not agree on the seizures")
        assert set(found.claims) == {"summary", "seizures"}
    assert found.claims["summary"] == [(29.0, 40.0), (296.0, 336.0)]
