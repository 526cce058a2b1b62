"""Room that is kept back is given back once, for the end, and is gone when all is written."""

import os
from pathlib import Path

import pytest

from blut_resources.files import reserve
from tests.small import FILLER, fill, small


def _free(place: Path) -> int:
    fs = os.statvfs(place)
    return fs.f_bavail * fs.f_frsize


def test_what_is_kept_back_is_room_for_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small(tmp_path / "small", "8M") as place:
        reserve.keep(place)
        assert (place / reserve.NAME).stat().st_size == 0, "bytes that nobody copies"
        fill(place)
        assert _free(place) == 0 and not reserve.was_needed(place)
        reserve.use()
        assert _free(place) == reserve.BYTES and reserve.was_needed(place)
        assert f"{place}: the file system at {place} has 1 MiB of 8 MiB free" in capsys.readouterr().err
        reserve.use()
        assert capsys.readouterr().err == ""


def test_a_small_disk_is_not_filled_with_it_and_an_end_drops_it(tmp_path: Path) -> None:
    with small(tmp_path / "small", "3M") as place:
        reserve.keep(place)
        assert _free(place) == 3 << 20
        fill(place)
        reserve.use()
        assert [path.name for path in place.iterdir() if path.name != FILLER] == [reserve.NEEDED]
        assert reserve.was_needed(place)
    reserve.keep(tmp_path)
    reserve.drop(tmp_path)
    reserve.use()
    assert not (tmp_path / reserve.NAME).exists() and not reserve.was_needed(tmp_path)
