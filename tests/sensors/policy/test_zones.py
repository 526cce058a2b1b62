"""Policies go by the time zone of the C library, whatever names it; what names none is said."""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from sensors.policy import zones
from sensors.policy.clock import last_tick, next_tick
from sensors.policy.zones import HERE, local_zone, unknown_zone, zone_of

BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin")
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"
SUMMER, WINTER = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)

pytestmark = pytest.mark.skipif(not BERLIN.exists(), reason="this machine has no files of time zones")


@pytest.fixture
def tz(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Set or take away TZ, and tell the C library."""

    def put(text: str | None) -> None:
        monkeypatch.setenv("TZ", text) if text is not None else monkeypatch.delenv("TZ", raising=False)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "name", "hours"),
    [
        ("Europe/Berlin", "Europe/Berlin", (14, 13)),
        (":Europe/Berlin", "Europe/Berlin", (14, 13)),
        (str(BERLIN), "Europe/Berlin", (14, 13)),
        (f":{BERLIN}", "Europe/Berlin", (14, 13)),
        ("COPY", f"{HERE}, TZ=COPY", (14, 13)),
        (RULE, f"{HERE}, TZ={RULE}", (14, 13)),
        ("<+0330>-3:30", f"{HERE}, TZ=<+0330>-3:30", (15, 15)),
        ("", "UTC", (12, 12)),
        ("UTC0", "UTC", (12, 12)),
    ],
)
def test_the_zone_is_that_of_the_c_library(
    tz: Callable[[str | None], None], tmp_path: Path, text: str, name: str, hours: tuple[int, int]
) -> None:
    copy = shutil.copyfile(BERLIN, tmp_path / "zone")
    text, name = text.replace("COPY", str(copy)), name.replace("COPY", str(copy))
    tz(text)
    zone = zone_of(local_zone())
    assert local_zone() == name and unknown_zone() == ""
    assert (SUMMER.astimezone(zone).hour, WINTER.astimezone(zone).hour) == hours


def test_a_file_that_is_not_a_link_is_asked_for_what_it_says(
    tz: Callable[[str | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is in a file of Debian's, where that is true."""
    copy = shutil.copyfile(BERLIN, tmp_path / "localtime")
    monkeypatch.setattr(zones, "LOCALTIME", copy)
    monkeypatch.setattr(zones, "ZONE_NAME", tmp_path / "timezone")
    tz(str(copy))  # the C library reads no other /etc/localtime than the machine's
    monkeypatch.delenv("TZ")
    assert local_zone() == f"{HERE}, {copy}"
    for said, name in (("Asia/Tokyo", f"{HERE}, {copy}"), ("Europe/Berlin", "Europe/Berlin")):
        (tmp_path / "timezone").write_text(f"{said}\n")
        assert local_zone() == name


@pytest.mark.parametrize("cron", ["30 2 29 3 *", "30 2 25 10 *", "0 3 * * *", "*/30 * 25 10 *"])
def test_ticks_in_a_zone_without_a_name_are_those_of_one_with_it(
    tz: Callable[[str | None], None], cron: str
) -> None:
    tz(RULE)
    for month in (1, 3, 4, 10, 11):
        for day in (1, 25, 29):
            now = dt.datetime(2026, month, day, 1, 15, tzinfo=dt.UTC)
            for tick in (last_tick, next_tick):
                assert tick(cron, now, local_zone()) == tick(cron, now, "Europe/Berlin")


@pytest.mark.parametrize("text", ["Europe/Berln", "Foo", "/no/such/file", "/etc/passwd", ":Foo4"])
def test_what_names_no_zone_is_refused_where_a_policy_is_enabled(
    tz: Callable[[str | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    tz(text)
    words = ["policy", "enable", "--schedule", "0 3 * * *", "--start-hours", "any"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2 and f"TZ={text} names no time zone" in refused.stderr
    assert "--time-zone" in refused.stderr and not (tmp_path / "policy.toml").exists()
    CliRunner().invoke(app, [*words, "--time-zone", "Europe/Berlin"])
    assert "Europe/Berlin" in (tmp_path / "policy.toml").read_text()
