"""`blut doctor` names what has no room and what of the history cannot be read, and how each is mended."""

import sqlite3
from pathlib import Path

import pytest

from blut_assets.cli.commands.checked_places import full_places, unreadable
from tests.small import fill, small


def test_full_places_are_told_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    with small(home, "256k") as place, small(tmp_path / "tmp", "256k") as other:
        monkeypatch.setenv("TMPDIR", str(other))
        monkeypatch.setenv("BLUT_STORE", str(home / "store"))
        monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))
        fill(place)
        assert [fault.about for fault in full_places(home)] == ["room, $BLUT_STORE"]
        fill(other)
        found = {fault.about: fault for fault in full_places(home)}
        assert found.keys() == {"room, $BLUT_STORE", "room, $TMPDIR"}
        assert f"file system at {other} has 0 bytes of 256 KiB free" in found["room, $TMPDIR"].what
        assert "or set $TMPDIR to a directory on another one" in found["room, $TMPDIR"].remedy


def test_what_cannot_be_read_is_told_with_its_remedy(tmp_path: Path) -> None:
    runs, kept = tmp_path / "history" / "runs", tmp_path / "runs" / "a"
    runs.mkdir(parents=True)
    kept.mkdir(parents=True)
    (runs / "a.db").write_bytes(b"garbage" * 1000)
    sqlite3.connect(runs / "b.db").executescript("CREATE TABLE other (x)")
    sqlite3.connect(runs / "c.db").executescript("CREATE TABLE event_logs (x)")
    (kept / "manifest.json").write_bytes(b"\x80{")
    found = list(unreadable(tmp_path))
    assert [fault.what.partition(" ")[0].partition(":")[0] for fault in found] == [
        str(runs / "a.db"),
        str(runs / "b.db"),
        str(kept / "manifest.json"),
    ]
    assert "it has no table of events" in found[1].what
    assert all("remove it: the log of that run is lost, its results not" in f.remedy for f in found[:2])
    assert found[2].remedy.startswith(f"rm {kept}/manifest.json")
