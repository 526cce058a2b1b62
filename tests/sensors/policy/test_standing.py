"""A schedule holds since it is what it is: what else changes in its file, or when, costs no start."""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sensors.policy.decide import History
from sensors.policy.file import PolicyFile, read
from sensors.policy.forecast import next_start
from sensors.policy.standing import NAME, note_standing

TEXT = 'enabled = true\nrecipe = "toy"\nschedule = "0 3 * * 0"\nstart_hours = []\ntime_zone = "UTC"\n'
MONDAY, DAY = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC), dt.timedelta(days=1)
SUNDAY = dt.datetime(2026, 3, 8, 3, tzinfo=dt.UTC)


class Desk:
    def __init__(self, home: Path) -> None:
        self.home, self.path = home, home / "policy.toml"
        self.write(TEXT, MONDAY)
        self.since(MONDAY)

    def write(self, text: str, at: dt.datetime) -> None:
        """Replace the file, as an editor does."""
        self.path.unlink(missing_ok=True)
        self.path.write_text(text)
        self.path.chmod(0o600)
        os.utime(self.path, (at.timestamp(), at.timestamp()))

    def file(self) -> PolicyFile:
        return read(self.path)

    def since(self, now: dt.datetime) -> dt.datetime:
        return note_standing(self.home, self.file(), now)["default"]

    def due(self, now: dt.datetime) -> bool:
        past = History((), self.since(now))
        return next_start(self.file().policies["default"], past, now).at == now


@pytest.mark.parametrize(
    "change",
    [
        lambda desk, at: desk.write(f"# a comment\n{TEXT}", at),
        lambda desk, at: os.utime(desk.path, (at.timestamp(), at.timestamp())),
        lambda desk, at: desk.write(TEXT + "args = {seed = 2}\n", at),
        lambda desk, at: desk.write(TEXT, at + 40 * DAY),
        lambda desk, at: desk.write(TEXT, at - 400 * DAY),
    ],
    ids=["comment", "touch", "args", "a clock ahead", "an old copy"],
)
def test_a_missed_night_is_made_up_for_whatever_happened_to_the_file(
    tmp_path: Path, change: Callable[[Desk, dt.datetime], None]
) -> None:
    desk = Desk(tmp_path)
    assert not desk.due(MONDAY + DAY)
    change(desk, SUNDAY + DAY)  # the machine was off on Sunday
    assert desk.due(SUNDAY + DAY + DAY / 24)


@pytest.mark.parametrize(
    "text", [TEXT.replace("* * 0", "* * 6"), TEXT.replace('"UTC"', '"Asia/Tokyo"')], ids=["day", "zone"]
)
@pytest.mark.parametrize("written", [SUNDAY + DAY, SUNDAY - 400 * DAY, SUNDAY + 400 * DAY])
def test_what_a_new_schedule_names_before_it_was_written_is_not_due(
    tmp_path: Path, text: str, written: dt.datetime
) -> None:
    desk = Desk(tmp_path)
    desk.write(text, written)
    now = SUNDAY + DAY + DAY / 24
    assert not desk.due(now) and desk.due(SUNDAY + 7 * DAY)


def test_a_policy_that_was_off_is_not_due_for_that_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write(TEXT.replace("true", "false"), MONDAY + DAY)
    desk.since(MONDAY + DAY)
    desk.write(TEXT, SUNDAY + DAY)
    assert not desk.due(SUNDAY + 2 * DAY)


def test_what_a_wrong_clock_has_noted_holds_up_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.since(MONDAY + 900 * DAY)
    told = {"default": {**json.loads((tmp_path / NAME).read_text())["default"], "since": 4e9}}
    for damaged in (json.dumps(told), '{"default": 3}', "[]", "", '{"default": {"since": "x"}}'):
        (tmp_path / NAME).write_text(damaged)
        desk.write(TEXT, MONDAY)
        assert desk.since(MONDAY + DAY) <= MONDAY + DAY
        assert desk.due(SUNDAY)
