"""The time that is left, from the pace so far."""

import time

from blut_resources.runs.pace import TimeLeft


def test_the_time_left_is_that_of_the_pace_since_the_first_word() -> None:
    left, now = TimeLeft(), time.time()
    left.note(0.1, 1, now - 60)
    assert left.seconds() is None
    left.note(0.4, 1, now)
    assert left.seconds() is not None and abs((left.seconds() or 0) - 120) < 1


def test_another_pass_over_the_same_begins_anew_and_without_a_total_nobody_can_tell() -> None:
    left, now = TimeLeft(), time.time()
    left.note(1, 10, now - 100)
    left.note(10, 10, now - 50)
    left.note(1, 10, now - 10)
    assert left.seconds() is None
    left.note(2, 10, now)
    assert abs((left.seconds() or 0) - 80) < 1
    left.note(3, None, now)
    left.note(4, None, now)
    assert left.seconds() is None
