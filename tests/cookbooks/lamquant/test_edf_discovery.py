"""Trees as people have them: what counts as a recording, and what one bad name costs."""

import os
import time
from pathlib import Path, PurePosixPath

import pytest

from blut_assets.datasets import DataKind, any_files, guess
from cookbooks.lamquant import data_kinds
from cookbooks.lamquant.formats.edf.discovery import PassedOver, find_recordings
from cookbooks.lamquant.formats.edf.names import stems_of


def touch(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def reasons(root: Path) -> dict[str, str]:
    return {one.file: one.problem for one in find_recordings(root).passed_over}


def test_suffixes_count_in_any_case_and_compressed(tmp_path: Path) -> None:
    names = ["a.edf", "b.EDF", "c.Bdf", "d/e.edf.gz", "d/f.BDF.GZ"]
    touch(tmp_path, *names, "g.gz", "h.edf.txt", "edf", "i.edf.gz.part", "notes.bdf.bak")
    assert find_recordings(tmp_path) == (sorted(names), [])


@pytest.mark.parametrize(
    "directory",
    (
        *(".git/annex/objects/ab/cd/MD5E-s1--0123.edf", ".snapshots/7", ".Trash-0/files"),
        *("p1/.zfs/snapshot/a", "$RECYCLE.BIN/S-1-5", "lost+found", "p1/@eaDir", "#recycle/p1", "__MACOSX"),
    ),
)
def test_copies_that_systems_keep_are_no_recordings(tmp_path: Path, directory: str) -> None:
    touch(tmp_path, f"{directory}/copy.edf", f"{directory}/deeper/copy.edf", "._mine.edf", "mine.edf")
    assert find_recordings(tmp_path) == (["mine.edf"], [])


def test_a_datalad_tree_is_read_under_its_visible_names(tmp_path: Path) -> None:
    key = "MD5E-s9--9e107d9d372bb6826bd81d3542a419d6.edf"
    (tmp_path / f".git/annex/objects/p0/9w/{key}").mkdir(parents=True)
    (tmp_path / f".git/annex/objects/p0/9w/{key}/{key}").write_bytes(b"recording")
    eeg = tmp_path / "sub-01/eeg"
    eeg.mkdir(parents=True)
    (eeg / "sub-01_eeg.edf").symlink_to(f"../../.git/annex/objects/p0/9w/{key}/{key}")
    (eeg / "sub-02_eeg.edf").symlink_to("../../.git/annex/objects/11/22/gone/gone")
    found = find_recordings(tmp_path)
    assert found.names == ["sub-01/eeg/sub-01_eeg.edf"]
    assert [(one.file, one.problem) for one in found.passed_over] == [
        ("sub-01/eeg/sub-02_eeg.edf", "is a link that leads nowhere")
    ]
    assert "git annex get" in found.passed_over[0].remedy


def test_one_bad_name_costs_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "good.edf", "inside.edf/good.edf", "line\nbreak.edf", b"caf\xe9.edf", b"\xff\xfe/a.edf")
    (tmp_path / "empty.edf").mkdir()
    os.mkfifo(tmp_path / "pipe.edf")
    (tmp_path / "zero.bdf").symlink_to("/dev/zero")
    (tmp_path / "loop.edf").symlink_to("loop.edf")
    (tmp_path / "dangling.edf.gz").symlink_to("nowhere")
    found = find_recordings(tmp_path)
    assert found.names == ["good.edf", "inside.edf/good.edf", "line\nbreak.edf"]
    assert reasons(tmp_path) == {
        r"caf\xe9.edf": "its name is not UTF-8",
        r"\xff\xfe/a.edf": "its name is not UTF-8",
        "empty.edf": "is a directory",
        "pipe.edf": "is not a regular file",
        "zero.bdf": "is not a regular file",
        "loop.edf": "is a link that leads nowhere",
        "dangling.edf.gz": "is a link that leads nowhere",
    }
    assert all(one.remedy for one in found.passed_over)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_directory_that_cannot_be_read_costs_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.edf", "b/y.edf")
    (tmp_path / "a").chmod(0)
    found = find_recordings(tmp_path)
    (tmp_path / "a").chmod(0o700)
    assert found.names == ["b/y.edf"]
    assert [one.file for one in found.passed_over] == ["a"]


def test_a_directory_that_vanishes_costs_one_line_and_the_root_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/x.edf", "b/y.edf")
    scan = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert find_recordings(tmp_path) == (
        ["b/y.edf"],
        [
            PassedOver(
                "a",
                "the directory cannot be read (Permission denied)",
                "give this user permission to read it",
            )
        ],
    )
    with pytest.raises(OSError):
        find_recordings(tmp_path / "absent")


def test_links_to_directories_are_followed_once_and_real_names_win(tmp_path: Path) -> None:
    touch(tmp_path, "real/x.edf", "../elsewhere/y.edf")
    (tmp_path / "a").symlink_to("real")
    (tmp_path / "back").symlink_to(tmp_path)
    (tmp_path / "m").symlink_to(tmp_path.parent / "elsewhere")
    (tmp_path / "n").symlink_to(tmp_path.parent / "elsewhere")
    assert find_recordings(tmp_path).names == ["m/y.edf", "real/x.edf"]


def test_a_compressed_file_has_the_stem_of_its_recording() -> None:
    names = ["p/a.edf", "p/a.edf.gz", "q/B.BDF.GZ", "c.d.edf", "e\nf.edf"]
    assert list(stems_of(map(PurePosixPath, names)).values()) == ["p__a", "p__a-2", "q__B", "c.d", "e_f"]


def test_data_add_names_what_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.edf").symlink_to("nowhere")
    kind = data_kinds.KINDS[0]
    inspection = kind.inspect(tmp_path)
    assert inspection.n_problems == 1 and inspection.counts["recordings"] == 0
    assert "gone.edf: is a link that leads nowhere; fetch" in inspection.problems[0]
    (tmp_path / "gone.edf").unlink()
    with pytest.raises(ValueError, match=r"no \.edf or \.bdf"):
        kind.inspect(tmp_path)


@pytest.mark.parametrize("name", ["a.edf", "a.BDF", "a.edf.gz", "a.BDF.GZ"])
def test_the_kind_of_data_is_known_by_any_suffix(name: str, tmp_path: Path) -> None:
    touch(tmp_path, f"below/{name}")
    kinds = [DataKind("rows", "", (".jsonl", ".gzip"), any_files), *data_kinds.KINDS]
    assert guess(tmp_path, kinds) == guess(tmp_path / "below" / name, kinds) == data_kinds.KINDS[0]


def test_twenty_thousand_names_take_a_second_at_most(tmp_path: Path) -> None:
    for directory in range(200):
        (tmp_path / f"d{directory}").mkdir()
        for index in range(100):
            os.close(os.open(tmp_path / f"d{directory}/{index}.edf", os.O_CREAT))
    started = time.perf_counter()
    assert len(find_recordings(tmp_path).names) == 20_000
    assert time.perf_counter() - started < 1
