"""Which place is full is named, with what is left there and what to do."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blut_resources.files import full
from blut_resources.files.durable import StoreError, explained, explanation, write_atomic
from tests.small import fill, fill_names, small


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path / "small", "256k", inodes=32) as made:
        yield made


def test_a_write_that_finds_no_room_names_the_mount_and_what_is_left(place: Path) -> None:
    fill(place, leave=8192)
    with pytest.raises(StoreError) as caught:
        write_atomic(place / "deep" / "file", b"x" * 100_000)
    said = str(caught.value)
    assert f"No space left on device: the file system at {place} has 8 KiB of 256 KiB free; make room" in said
    assert full.is_full(caught.value) and not full.is_full(ValueError("x"))
    assert not list((place / "deep").iterdir())


def test_of_a_copy_the_place_that_is_written_is_named(place: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 500_000)
    with (
        pytest.raises(
            StoreError, match=f"^{place}/copy: No space left on device: the file system at {place}"
        ),
        explained(place),
    ):
        shutil.copyfile(tmp_path / "large", place / "copy")


def test_a_file_system_that_can_name_no_more_files_is_told_from_one_without_bytes(place: Path) -> None:
    fill_names(place)
    assert "has no inode left: its 32 files are all it can name" in full.full_place(place / "a" / "b")
    assert full.is_nearly_full(place)


@pytest.mark.parametrize(
    "said",
    [
        *("OSError: [Errno 28] No space left on device", "cp: error writing 'x': No space left on device"),
        *("SafetensorError: I/O error: No space left on device (os error 28)", "Disk quota exceeded"),
        *("sqlite3.OperationalError: database or disk is full", "H5: errno = 28, error message"),
        "OSError: 210000 requested and 18944 written",
    ],
)
def test_words_of_a_program_blame_the_place_that_is_full(place: Path, tmp_path: Path, said: str) -> None:
    fill(place)
    assert full.says_full(said)
    told = full.blamed(said, {"$BLUT_STORE": tmp_path, "$TMPDIR": place})
    assert told.startswith("the ") and f"at {place} " in told and f", for {place}; make room" in told
    assert "or set $TMPDIR to a directory on another" in told
    assert ("quota of this user" in told) == ("quota" in said)


@pytest.mark.parametrize("said", ["loss 28", "Errno 2: no such file", "epoch 128 of 280", "errno 280"])
def test_other_words_blame_nothing(said: str) -> None:
    assert not full.says_full(said)


def test_a_path_in_the_words_counts_before_what_is_full_now(place: Path, tmp_path: Path) -> None:
    fill(place)
    told = full.blamed(f"No space left on device: '{tmp_path}/x'", {"$TMPDIR": place})
    assert told.startswith(f"the file system at {full.mount_point(tmp_path)} has ")
    assert f"free now, for {tmp_path}/x; make room" in told


def test_where_there_is_room_again_every_place_is_told(place: Path, tmp_path: Path) -> None:
    told = full.blamed("disk is full", {"$BLUT_STORE": tmp_path, "$DAGSTER_HOME": tmp_path, "$TMPDIR": place})
    assert "cannot be told now" in told and told.count("the file system at") == 2


def test_a_database_that_finds_no_room_is_full_too() -> None:
    try:
        try:
            raise sqlite3.OperationalError("database or disk is full")
        except sqlite3.Error as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as wrapped:
        assert full.is_full(wrapped)
    assert full.is_full(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))


def test_a_library_that_only_counts_what_it_wrote_is_understood_and_its_file_named(place: Path) -> None:
    def write(path: Path) -> None:
        try:
            with path.open("wb") as file:
                np.zeros(100_000).tofile(file)
        finally:
            path.unlink()

    with pytest.raises(OSError, match="100000 requested and") as caught:
        write(place / "partial")
    assert caught.value.errno is None and full.is_full(caught.value)
    assert full.writing(caught.value) == f"{place}/partial" and full.writing(OSError("x")) is None
    assert not full.is_full(OSError("7 of 8 were written"))
    assert f"{place}: No space left on device: the file system at" in explanation(caught.value, place)


def test_what_is_pruned_is_told_only_of_the_file_system_where_that_frees_something(
    place: Path, tmp_path: Path
) -> None:
    apart = {"$DAGSTER_HOME": place, "$BLUT_STORE": tmp_path / "store"}
    said = full.remedy(place / "history", apart)
    assert "`blut runs prune --keep-newest 20`" in said and "cache prune" not in said
    assert "(`blut cache prune` gives back" in full.remedy(tmp_path / "store" / "x", apart)
    together = full.remedy(place / "history", {"$DAGSTER_HOME": place, "$BLUT_STORE": place / "store"})
    assert "`blut cache prune` gives back" in together and "`blut runs prune --keep-newest 20`" in together
    assert "prune" not in full.remedy(tmp_path / "elsewhere", apart)
    assert "$TMPDIR" not in full.remedy(place / "mounted below it", {"$TMPDIR": tmp_path})
