"""Events of BIDS, and of the seizure datasets that follow SzCORE."""

from pathlib import Path
from typing import Any

import pytest

from tests.cookbooks.lamquant.annotations.written import events, outcome, refused, table, whole

RECORDING = "sub-01_ses-02_task-szMonitoring_run-03_eeg.edf"
NAME = "sub-01_ses-02_task-szMonitoring_run-03_events.tsv"
HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
SZCORE = HEAD + "30.0\t40.5\tsz_foc_ia\tn/a\tn/a\t2020-01-01 10:00:00\t345.00\n"
BCKG = HEAD + "0.0\t345.0\tbckg\tn/a\tn/a\t2020-01-01 10:00:00\t345.00\n"
TRIALS = "onset\tduration\ttrial_type\n10\tn/a\tspike\n20\t0\tsharp wave\n30\t2.5\tchewing\n"


def tsv(folder: Path, text: str | bytes, **options: Any):
    return outcome(folder, {NAME: text}, about=whole(RECORDING), **options)


def test_szcore_events_are_read(tmp_path: Path) -> None:
    assert events(tsv(tmp_path, SZCORE)) == [("CRITICAL", 30.0, 40.5)]
    assert events(tsv(tmp_path, BCKG)) == [("BACKGROUND", 0.0, 345.0)]


def test_events_without_a_duration_are_points(tmp_path: Path) -> None:
    assert events(tsv(tmp_path, TRIALS)) == [
        ("INTERESTING", 10.0, 1.0),
        ("INTERESTING", 20.0, 1.0),
        ("ARTIFACT", 30.0, 2.5),
    ]


def test_event_type_wins_over_trial_type(tmp_path: Path) -> None:
    text = "onset\tduration\ttrial_type\teventType\n5\t9\tbckg\tsz\n"
    assert events(tsv(tmp_path, text)) == [("CRITICAL", 5.0, 9.0)]


def test_hed_tags_are_looked_up_one_by_one(tmp_path: Path) -> None:
    text = "onset\tduration\tHED\n5\t9\t(Event/Seizure)\n50\t9\tArtefact\n"
    assert events(tsv(tmp_path, text)) == [("CRITICAL", 5.0, 9.0), ("ARTIFACT", 50.0, 9.0)]


@pytest.mark.parametrize(
    ("recording", "events_file"),
    [
        ("sub-1_ieeg.edf", "sub-1_events.tsv"),
        ("SUB-1_EEG.EDF", "sub-1_events.tsv"),
        ("sub-1_eeg.edf.gz", "sub-1_events.tsv"),
    ],
)
def test_the_events_of_a_recording_have_its_entities(
    tmp_path: Path, recording: str, events_file: str
) -> None:
    found = outcome(tmp_path, {events_file: SZCORE}, about=whole(recording))
    assert events(found) == [("CRITICAL", 30.0, 40.5)]


@pytest.mark.parametrize("name", ["sub-01_ses-02_task-szMonitoring_run-04_events.tsv", "events.tsv"])
def test_events_of_another_recording_are_not_taken(tmp_path: Path, name: str) -> None:
    assert outcome(tmp_path, {name: SZCORE}, about=whole(RECORDING)).state == "unannotated"


def test_events_of_which_nobody_says_what_they_are_annotate_nothing(tmp_path: Path) -> None:
    assert tsv(tmp_path, "onset\tduration\tvalue\n5\t9\t3\n").state == "unannotated"
    assert tsv(tmp_path, "onset\tduration\ttrial_type\n").state == "unannotated"
    assert tsv(tmp_path, "onset\tduration\ttrial_type\n5\t9\tn/a\n").state == "unannotated"


def test_an_event_before_the_first_sample_is_dropped_and_counted(tmp_path: Path) -> None:
    found = tsv(tmp_path, TRIALS + "-5\t2\tspike\n-1\t3\tspike\n")
    assert events(found)[0] == ("INTERESTING", 0.0, 2.0)
    assert (len(events(found)), found.dropped) == (4, 1)


@table(
    {
        "another length": (SZCORE.replace("345.00", "355.00"), "recordingDuration is not the recording's"),
        "length no number": (SZCORE.replace("345.00", "long"), "recordingDuration is not a number"),
        "after the end": (SZCORE.replace("30.0\t40.5", "30.0\t400"), "outside the recording"),
        "starts after the end": (SZCORE.replace("30.0\t40.5", "400\tn/a"), "outside the recording"),
        "no onset": (SZCORE.replace("30.0\t40.5", "n/a\t40.5"), "the onset is not a number"),
        "onset NaN": (SZCORE.replace("30.0\t40.5", "nan\t40.5"), "the onset is not a number"),
        "negative duration": (SZCORE.replace("40.5", "-40.5"), "the duration is negative"),
        "infinite duration": (SZCORE.replace("40.5", "inf"), "the duration is not a number"),
        "commas": (SZCORE.replace("\t", ","), "header"),
        "a row cut off": (SZCORE[:-30], "columns of 7"),
        "no header": (SZCORE.splitlines()[1], "header"),
        "a column twice": (SZCORE.replace("channels", "onset"), "twice"),
        "unknown": (TRIALS + "40\t1\ttarget\n41\t1\tstandard\n42\t1\ttarget\n", "2 texts"),
        "empty": ("", "empty"),
        "UTF-16": (SZCORE.encode("utf-16"), "UTF-16"),
    }
)
def test_broken_events_cost_the_labels(tmp_path: Path, case: tuple[str | bytes, str]) -> None:
    refused(tsv(tmp_path, case[0]), "bids", case[1])
