"""Annotations inside a file: points, durations, pairs, and texts that nobody knows."""

from pathlib import Path

from cookbooks.lamquant.formats.edf.tal import Tal
from tests.cookbooks.lamquant.annotations.written import SPAN, events, outcome, refused, table


def test_points_last_a_second_and_durations_what_they_say(tmp_path: Path) -> None:
    tals = [Tal(5.0, None, ["spike"]), Tal(10.0, 20.0, ["Seizure"]), Tal(50.0, 0.0, ["chewing", "muscle"])]
    assert events(outcome(tmp_path, {}, tals=tals)) == [
        ("INTERESTING", 5.0, 1.0),
        ("CRITICAL", 10.0, 20.0),
        ("ARTIFACT", 50.0, 1.0),
    ]


def test_a_start_and_an_end_are_one_event(tmp_path: Path) -> None:
    tals = [
        Tal(30.0, None, ["SEIZURE END"]),
        Tal(10.0, None, ["Seizure start"]),
        Tal(60.0, None, ["sz onset"]),
    ]
    assert events(outcome(tmp_path, {}, tals=[*tals, Tal(70.0, None, ["Seizure offset."])])) == [
        ("CRITICAL", 10.0, 20.0),
        ("CRITICAL", 60.0, 10.0),
    ]


@table(
    {
        "no end": ([Tal(10.0, None, ["seizure start"])], "1 starts of a pair have no end"),
        "no start": ([Tal(10.0, None, ["seizure end"])], "do not take turns"),
        "two starts": ([Tal(10.0, None, ["sz start"]), Tal(11.0, None, ["seizure start"])], "take turns"),
        "together": ([Tal(10.0, None, ["seizure start", "seizure end"])], "not after its start"),
        "no doubt": ([Tal(10.0, None, ["seizure?"])], "1 text that the vocabulary does not know"),
        "a sentence": ([Tal(10.0, None, ["mother says a seizure was likely"])], "1 text"),
        "a name": ([Tal(10.0, None, ["Szymon Seizureman"])], "1 text"),
        "two texts": ([Tal(10.0, None, ["abc", "def", "spike"]), Tal(11.0, None, ["ABC "])], "2 texts"),
    }
)
def test_what_is_not_sure_is_refused(tmp_path: Path, case: tuple[list[Tal], str]) -> None:
    found = outcome(tmp_path, {}, tals=case[0])
    refused(found, "edf+", case[1])
    assert not any(text in found.problem for tal in case[0] for text in tal.texts if len(text) > 3)


def test_unknown_texts_are_of_interest_if_that_is_said(tmp_path: Path) -> None:
    tals = [Tal(10.0, None, ["abc"]), Tal(20.0, 5.0, ["def"]), Tal(30.0, 5.0, ["seizure"])]
    assert events(outcome(tmp_path, {}, tals=tals, unknown="interesting")) == [
        ("INTERESTING", 10.0, 1.0),
        ("INTERESTING", 20.0, 5.0),
        ("CRITICAL", 30.0, 5.0),
    ]


def test_no_annotation_is_not_quiet(tmp_path: Path) -> None:
    for tals in (
        [],
        [Tal(0.0, None, [""])],
        [Tal(0.0, None, ["Recording starts"]), Tal(9.0, None, ["Eyes open"])],
    ):
        found = outcome(tmp_path, {}, tals=tals)
        assert (found.state, found.sources) == ("unannotated", [])


def test_what_lies_outside_is_dropped_and_counted(tmp_path: Path) -> None:
    tals = [Tal(-3.0, None, ["spike"]), Tal(SPAN + 5, 9.0, ["seizure"]), Tal(SPAN - 2, 9.0, ["seizure"])]
    found = outcome(tmp_path, {}, tals=[*tals, Tal(5_551_234_567.0, None, ["spike"])])
    assert events(found) == [("CRITICAL", SPAN - 2, 2.0)]
    assert found.dropped == 3
