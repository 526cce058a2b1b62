"""Wall-clock seizure lists of the Siena Scalp EEG Database, with the typing errors that they have."""

from pathlib import Path
from typing import Any

import pytest

from tests.cookbooks.lamquant.annotations.written import events, outcome, refused, table, whole

HEAD = """DATA
Sampling Rate: 512 Hz

CHANNELS in EDF Files:
**********************
Channel 1: Fp1

"""
LIST = (
    HEAD
    + """Seizure n 1
File name: PN06-1.edf
Registration start time: 23.50.00
Registration end time:  01.50.00
Seizure start time: 23.55.10
Seizure end time: 23.56.20

Seizure n 2
File name: PN06-2.edf
Registration start time: 23.50.00
Registration end time:  01.50.00
Seizure start time: 00.10.00
Seizure end time: 00.11.30
"""
)
NAME = "Seizures-list-PN06.txt"


def listed(folder: Path, text: str, recording: str = "PN06-1.edf", span: float = 7200.0, **options: Any):
    return outcome(folder, {NAME: text}, about=whole(recording, span), **options)


def test_times_of_day_become_seconds_of_the_recording(tmp_path: Path) -> None:
    assert events(listed(tmp_path, LIST)) == [("CRITICAL", 310.0, 70.0)]
    midnight = listed(tmp_path, LIST, "PN06-2.edf")
    assert events(midnight) == [("CRITICAL", 1200.0, 90.0)]


@table(
    {
        "colons": LIST.replace(".5", ":5").replace(".2", ":2"),
        "the letter O": LIST.replace("PN06-1", "PNO6-1"),
        "small letters": LIST.lower(),
        "a space in a time": LIST.replace("23.55.10", "2 3.55.10"),
        "spaces in the name": LIST.replace("PN06-1.edf", " PN06 -1.edf  "),
        "short words": LIST.replace("Seizure start", "Start").replace("Seizure end", "End"),
    }
)
def test_typing_errors_that_leave_one_reading_are_taken(tmp_path: Path, case: str) -> None:
    assert events(listed(tmp_path, case)) == [("CRITICAL", 310.0, 70.0)]


def test_a_second_seizure_of_a_file_may_leave_out_what_stands_above(tmp_path: Path) -> None:
    more = "\nSeizure n 3\nSeizure start time: 00.20.00\nSeizure end time: 00.20.30\n"
    found = events(listed(tmp_path, LIST + more, "PN06-2.edf"))
    assert found == [("CRITICAL", 1200.0, 90.0), ("CRITICAL", 1800.0, 30.0)]


def test_a_file_that_is_not_listed_is_not_annotated(tmp_path: Path) -> None:
    found = listed(tmp_path, LIST, "PN06-3.edf")
    assert (found.state, found.sources) == ("unannotated", [])


FIRST_END = "Seizure end time: 23.56.20\n"


@table(
    {
        "no end": ((FIRST_END, ""), "the seizure above has no end"),
        "no start": (("Seizure start time: 23.55.10\n", ""), "outside|take turns|after its start"),
        "no registration": (("Registration start time: 23.50.00\n", ""), "when the registration started"),
        "backwards": (("23.56.20", "23.54.20"), "does not end after its start"),
        "61 minutes": (("23.56.20", "23.61.20"), "line 13 has no time of day"),
        "two parts": (("23.56.20", "23.56"), "line 13 has no time of day"),
        "a word": (("23.56.20", "soon"), "line 13 has no time of day"),
        "two times": (("23.56.20", "23.56.20 or 23.57.20"), "no time of day"),
        "after the end": (("23.56.20", "03.56.20"), "line 13 lies outside"),
        "two registrations": (
            ("Registration end time:  01.50.00\n", "Registration start time: 22.00.00\n"),
            "starts at another time",
        ),
        "no seizure": (("Seizure start time: 23.55.10\nSeizure end time: 23.56.20\n", ""), "no seizure"),
        "a garbled line": (("end time: 23.56.20", "end tme 23.56.20"), "line 13 cannot be read"),
    }
)
def test_what_cannot_be_read_in_one_way_is_refused_with_the_line(tmp_path: Path, case: Any) -> None:
    (old, new), problem = case
    found = listed(tmp_path, LIST.replace(old, new, 1))
    assert any(words in found.problem for words in problem.split("|")), found.problem
    refused(found, "siena", "")
    assert listed(tmp_path, LIST.replace(old, new, 1), "PN06-2.edf").state == "annotated"


def test_a_seizure_of_no_file_may_be_of_any(tmp_path: Path) -> None:
    stray = HEAD + "Seizure start time: 00.20.00\nSeizure end time: 00.20.30\n" + LIST
    refused(listed(tmp_path, stray), "siena", "not said of which file")


def test_longer_than_a_day_a_time_of_day_is_not_enough(tmp_path: Path) -> None:
    refused(listed(tmp_path, LIST, span=90_000.0), "siena", "more than one day")
    later = LIST.replace("23.55.10", "01.00.10").replace("23.56.20", "01.01.20")
    assert events(listed(tmp_path, later, span=90_000.0)) == [("CRITICAL", 4210.0, 70.0)]


@pytest.mark.parametrize("beside", ["PNO6-1.edf", "pn06-1.EDF"])
def test_two_recordings_of_one_name_are_not_told_apart(tmp_path: Path, beside: str) -> None:
    refused(listed(tmp_path, LIST, beside=[beside]), "siena", "does not tell two recordings")
