"""A file that replaces nothing is at its name whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from blut_resources.files.durable import StoreError, new_file

LINKS = pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "as the FAT of a stick says it", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)


@LINKS
def test_it_is_there_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        without_links(monkeypatch)
    path = tmp_path / "made"
    with new_file(path, mode=0o600) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b", and whole")
    assert path.read_bytes() == b"half, and whole" and path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


@LINKS
def test_what_comes_to_be_there_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        without_links(monkeypatch)
    path = tmp_path / "made"
    with pytest.raises(FileExistsError), new_file(path) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError), new_file(path):
        raise AssertionError("nobody writes where something is")
    assert path.read_bytes() == b"theirs" and [*tmp_path.iterdir()] == [path]


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_file(tmp_path / "made"):
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(StoreError, match="No such file or directory"), new_file(tmp_path / "none" / "made"):
        pass
