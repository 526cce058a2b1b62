"""What a job says arrives once and in order, whoever reads it and however often it is started."""

from pathlib import Path

import pytest

from blut_resources.launchers.files import LOG, MESSAGES, attempt_dir
from blut_resources.launchers.streams import CHUNK, Streams


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number in range(3):
        attempt_dir(tmp_path, number).mkdir()
    return tmp_path


def say(place: Path, number: int, text: str, name: str = MESSAGES) -> None:
    with (attempt_dir(place, number) / name).open("a") as file:
        file.write(text)


def heard(place: Path, name: str = MESSAGES) -> str:
    return (place / name).read_text()


def test_a_line_is_passed_on_when_it_is_whole_and_a_log_as_it_is(place: Path) -> None:
    streams = Streams(place)
    streams.follow(0)
    assert heard(place) == "", "nothing was said yet"
    say(place, 0, "one\ntw")
    say(place, 0, "half a l", LOG)
    streams.follow(0)
    assert (heard(place), heard(place, LOG)) == ("one\n", "half a l")
    say(place, 0, "o\nthree")
    streams.follow(0)
    assert heard(place) == "one\ntwo\n"
    streams.follow(0, to_end=True)
    assert heard(place) == "one\ntwo\nthree", "what is cut off is to be seen"


def test_an_older_start_is_heard_no_more_as_soon_as_there_is_a_newer_one(place: Path) -> None:
    streams = Streams(place)
    say(place, 0, "a\nb\nhalf")
    streams.follow(0)
    say(place, 1, "c\n")
    streams.follow(1)
    say(place, 0, " a line\ndone\n")
    streams.follow(1)
    assert heard(place) == "a\nb\nc\n"


def test_whoever_goes_on_after_a_death_passes_nothing_on_twice(place: Path) -> None:
    say(place, 0, "a\n")
    Streams(place).follow(0)
    say(place, 1, "b\nc\n")
    Streams(place).follow(1)
    say(place, 1, "d\n")
    another = Streams(place)
    another.follow(1)
    another.follow(1)
    assert heard(place) == "a\nb\nc\nd\n"


def test_a_flood_comes_in_pieces_and_whole(place: Path) -> None:
    lines = [f"{number:09d}\n" for number in range(2 * CHUNK // 10 + 5)]
    say(place, 0, "".join(lines))
    streams, turns = Streams(place), 1
    while streams.follow(0):
        turns += 1
    assert turns == 3 and heard(place) == "".join(lines)


def test_a_line_that_is_longer_than_any_may_be_reaches_who_refuses_it(place: Path) -> None:
    say(place, 0, "x" * (CHUNK + 1))
    Streams(place).follow(0)
    assert len(heard(place)) == CHUNK
