"""An artifact that shares files with an older one costs what is new in it, and neither can hurt the other."""

import os
import time
from pathlib import Path

import pytest

from blut_resources.files import digest as digests
from blut_resources.store.artifacts import ArtifactDamaged, ArtifactStore
from blut_resources.store.gc import collect

OLD = {"a.lma": b"a" * 1000, "sub/b.lma": b"b" * 2000, "index": b"old"}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read to be hashed."""
    read: list[str] = []
    real = digests.digest_file

    def noted(path: Path, *, threads: int = 1) -> digests.Hashed:
        read.append(path.name)
        return real(path, threads=threads)

    monkeypatch.setattr(digests, "digest_file", noted)
    return read


def _grow(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def _grown(store: ArtifactStore, old: str) -> Path:
    """A directory with links to two files of ``old``, and two new ones."""
    source = _grow(store.staging(), {"index": b"new", "sub/c.lma": b"c" * 500})
    for name in ("a.lma", "sub/b.lma"):
        os.link(store.open(old) / name, source / name)
    return source


@pytest.fixture
def pair(store: ArtifactStore) -> tuple[str, str]:
    old = store.put(_grow(store.staging(), OLD))
    return old, store.put(_grown(store, old), kin=old)


def test_links_to_the_kin_stay_links_and_nothing_of_them_is_hashed(
    store: ArtifactStore, hashed: list[str]
) -> None:
    old = store.put(_grow(store.staging(), OLD))
    source = _grown(store, old)
    hashed.clear()
    new = store.put(source, kin=old)
    assert sorted(hashed) == ["c.lma", "index"]
    for name in ("a.lma", "sub/b.lma"):
        assert (store.open(new) / name).samefile(store.open(old) / name)
    assert sorted(hashed) == ["c.lma", "index"], "neither is hashed by a look at it afterwards"
    plain = _grow(store.root / "plain", {**OLD, "index": b"new", "sub/c.lma": b"c" * 500})
    assert digests.digest_path(plain) == new, "the digest is that of the same bytes without links"


def test_links_to_anything_else_are_copied(store: ArtifactStore, tmp_path: Path) -> None:
    old = store.put(_grow(store.staging(), OLD))
    other = store.put(_grow(store.staging(), {"x": b"x"}))
    mine = _grow(tmp_path / "mine", {"y": b"y"}) / "y"
    source = _grown(store, old)
    os.link(store.open(other) / "x", source / "x")
    os.link(mine, source / "y")
    path = store.open(store.put(source, kin=old))
    assert not (path / "x").samefile(store.open(other) / "x") and not (path / "y").samefile(mine)
    mine.write_bytes(b"changed")
    assert (path / "y").read_bytes() == b"y"


def test_without_a_kin_links_into_the_store_are_copied(store: ArtifactStore) -> None:
    old = store.put(_grow(store.staging(), OLD))
    new = store.put(_grown(store, old))
    assert not (store.open(new) / "a.lma").samefile(store.open(old) / "a.lma")
    gone = store.put(_grown(store, old), kin="0" * 64)
    assert gone == new, "a kin that is not there is none"


def test_a_shared_file_that_was_damaged_is_not_taken_for_good(store: ArtifactStore) -> None:
    old = store.put(_grow(store.staging(), OLD))
    source = _grown(store, old)
    victim = source / "a.lma"
    time.sleep(0.02)
    victim.chmod(0o644)
    victim.write_bytes(b"A" * 1000)
    victim.chmod(0o444)
    new = store.put(source, kin=old)
    assert (store.open(new) / "a.lma").read_bytes() == b"A" * 1000, "its digest is that of its bytes"
    with pytest.raises(ArtifactDamaged, match=r"a\.lma: content differs"):
        store.open(old)


@pytest.mark.parametrize("gone", [0, 1])
def test_the_collection_of_one_leaves_the_other_whole_and_known(
    store: ArtifactStore, pair: tuple[str, str], hashed: list[str], gone: int
) -> None:
    old = 0.0
    for digest in pair:
        os.utime(store.record_path(digest, external=False), (old, old))
    kept = pair[1 - gone]
    expected = len(b"old") if gone == 0 else len(b"new") + 500
    assert collect(store, [kept], dry_run=True).bytes_freed == expected
    hashed.clear()
    report = collect(store, [kept])
    assert report.removed == (pair[gone],) and report.bytes_freed == expected
    store.verify(kept)
    assert hashed == []
    store.verify(kept, full=True)


def test_a_collection_of_both_frees_all_of_it_and_says_so_before(
    store: ArtifactStore, pair: tuple[str, str]
) -> None:
    for digest in pair:
        os.utime(store.record_path(digest, external=False), (0, 0))
    wanted = sum(len(content) for content in OLD.values()) + len(b"new") + 500
    assert collect(store, [], dry_run=True).bytes_freed == wanted
    assert collect(store, []).bytes_freed == wanted


def test_damage_of_shared_bytes_is_found_in_both_and_each_is_set_aside(
    store: ArtifactStore, pair: tuple[str, str]
) -> None:
    victim = store.open(pair[0]) / "a.lma"
    time.sleep(0.02)
    victim.chmod(0o644)
    victim.write_bytes(b"A" * 1000)
    for digest in pair:
        with pytest.raises(ArtifactDamaged, match=r"a\.lma"):
            store.open(digest)
    aside = store.quarantine(pair[0])
    assert aside and (aside / "data" / "a.lma").exists()
    assert store.put(_grow(store.staging(), OLD)) == pair[0]
    store.verify(pair[0], full=True)
    with pytest.raises(ArtifactDamaged):
        store.open(pair[1])


def test_bytes_that_are_there_already_leave_the_kin_known(
    store: ArtifactStore, pair: tuple[str, str], hashed: list[str]
) -> None:
    assert store.put(_grown(store, pair[0]), kin=pair[0]) == pair[1]
    store.discard(_grown(store, pair[0]), kin=pair[0])
    hashed.clear()
    for digest in pair:
        store.verify(digest)
    assert hashed == []


def test_a_single_file_may_be_shared(store: ArtifactStore, hashed: list[str]) -> None:
    old = store.put(_grow(store.staging(), {"x": b"x"}))
    source = store.staging() / "one"
    os.link(store.open(old) / "x", source)
    new = store.put(source, kin=old)
    hashed.clear()
    assert store.open(new).samefile(store.open(old) / "x") and store.read(new) == b"x"
    assert hashed == []
