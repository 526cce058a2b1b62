"""One store seen from several machines: what is there late, what goes meanwhile, what lies on another one."""

import errno
import os
import time
from pathlib import Path

import pytest

from blut_resources.files import clock, digest
from blut_resources.files.durable import ArtifactDamaged, ArtifactElsewhere, ArtifactMissing
from blut_resources.store import gc, manifest, records
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.gc import collect
from blut_resources.store.manifest import stat_directory


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def put(store: ArtifactStore, text: str = "bytes") -> str:
    """An artifact of one file."""
    path = store.root.parent / "source"
    path.write_text(text)
    return store.put(path)


def recorded(store: ArtifactStore) -> tuple[Path, str]:
    """Data outside the store, as this machine has recorded it."""
    data = store.root.parent / "data"
    data.mkdir()
    (data / "one").write_text("1")
    return data, store.put_reference(data)


def test_data_of_another_machine_is_there_and_not_lost(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, digest_ = recorded(store)
    name = os.uname().nodename
    data.rename(data.with_name("away"))
    with pytest.raises(ArtifactMissing, match="gone or unreadable"):
        store.verify(digest_)
    assert not store.knows(digest_)
    monkeypatch.setattr(manifest, "machine_id", lambda: "f" * 32)
    with pytest.raises(ArtifactElsewhere, match=f"{data} is on {name}, not here"):
        store.verify(digest_)
    assert store.knows(digest_) and not store.has(digest_)
    data.mkdir()
    (data / "one").write_text("other data of that name")
    with pytest.raises(ArtifactElsewhere, match=f"on {name}, not here"):
        store.verify(digest_)
    assert store.quarantine(digest_) is None and store.record_path(digest_, external=True).exists()


def test_here_changed_data_is_damaged_as_ever(store: ArtifactStore) -> None:
    data, digest_ = recorded(store)
    (data / "one").write_text("something else")
    with pytest.raises(ArtifactDamaged):
        store.verify(digest_)


def test_what_goes_while_it_is_read_is_looked_for_again_and_then_missing(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_ = put(store)
    stat_directory.cache_clear()
    real, gone = records.digest_files, [1]

    def stale(root: Path, *args: object) -> object:
        if gone and gone.pop():
            error = OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(root))
            raise digest._unreadable(root, error) from error
        return real(root, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(records, "digest_files", stale)
    store.verify(digest_)
    gone[:] = [1, 1]
    with pytest.raises(ArtifactMissing, match="another machine has removed it"):
        store.verify(digest_)
    assert store.has(digest_), "nothing was set aside"


def test_before_something_is_missing_its_directory_is_listed(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_, late = put(store), [True]
    there, lists = os.path.lexists, os.listdir

    def attributes(path: str | Path) -> bool:
        return False if late and digest_ in str(path) else there(path)

    def listed(path: Path) -> list[str]:
        late.clear()
        return lists(path)

    monkeypatch.setattr(records.os.path, "lexists", attributes)
    monkeypatch.setattr(records.os, "listdir", listed)
    assert store.has(digest_) and not late
    assert not store.has("0" * 64)


def test_each_machine_keeps_its_own_stamps_where_several_write(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stat_directory(store.root) == store.root / "stat"
    monkeypatch.setattr(manifest, "machine_id", lambda: "0123456789abcdef")
    monkeypatch.setattr(manifest, "mount_of", lambda _: type("", (), {"is_local": False}))
    stat_directory.cache_clear()
    try:
        digest_ = put(store)
        assert list((store.root / "stat" / "0123456789ab").glob(f"{digest_}.json"))
        left = store.root / "stat" / "0123456789ab" / ".tmp-1"
        left.touch()
        monkeypatch.setattr(gc, "TEMPORARY_S", -1.0)
        assert left in collect(store, [digest_]).leftovers and not left.exists()
        store.verify(digest_)
    finally:
        stat_directory.cache_clear()


def test_with_a_clock_that_is_off_no_stamp_is_believed(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_ahead", {})
    (tmp_path / "file").write_text("1")
    assert clock.measure(tmp_path) == 0 and digest.digest_file(tmp_path / "file").stamp
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 5_000_000_000)
    clock._ahead.clear()
    assert 4.9e9 < clock.measure(tmp_path) < 5.5e9
    assert digest.digest_file(tmp_path / "file").stamp is None
    clock._ahead.clear()
    clock._ahead[-1] = -3_000_000_000
    assert digest.digest_file(tmp_path / "file").stamp is None, "another file server's clock differs"
