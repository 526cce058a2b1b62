"""The artifact store keeps what it was given, says when it cannot, and shows nothing half-done."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blut_resources.files.digest import digest_bytes, digest_path
from blut_resources.store.artifacts import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactStore,
    StoredArtifact,
    StoreError,
    file_lock,
    write_atomic,
)
from blut_resources.store.gc import collect
from tests.swapped import swapped_when_opened

FILES = {"model.bin": bytes(range(256)) * 40, "sub/config.json": b"{}", "sub/empty": b""}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def grow(root: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (FILES if files is None else files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def put(store: ArtifactStore, files: dict[str, bytes] | None = None) -> str:
    return store.put(grow(store.staging(), files))


def flip(path: Path) -> None:
    """Change one byte; size and mtime stay."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked process; returns its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def visible(store: ArtifactStore) -> list[str]:
    return [artifact.digest for artifact in store.list()]


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A filesystem of its own; skips the test where mounting is not allowed."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED, a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


# put and open


def test_a_directory_comes_back_under_its_digest(store: ArtifactStore) -> None:
    source = grow(store.staging())
    expected = digest_path(source)
    digest = store.put(source)
    assert digest == expected and not source.exists()
    path = store.open(digest)
    assert {name: (path / name).read_bytes() for name in FILES} == FILES
    assert digest_path(path) == digest


def test_a_single_file_comes_back_under_its_digest(store: ArtifactStore) -> None:
    source = store.staging() / "model.gguf"
    source.write_bytes(b"weights")
    digest = store.put(source)
    assert digest == digest_bytes(b"weights")
    assert store.open(digest).read_bytes() == b"weights"
    store.verify(digest, full=True)


def test_stored_files_are_read_only_and_empty_directories_are_gone(store: ArtifactStore) -> None:
    source = grow(store.staging())
    (source / "nothing" / "here").mkdir(parents=True)
    path = store.open(store.put(source))
    assert all(file.stat().st_mode & 0o222 == 0 for file in path.rglob("*") if file.is_file())
    assert not (path / "nothing").exists()


def test_a_link_inside_is_stored_as_the_file_it_led_to(store: ArtifactStore) -> None:
    source = grow(store.staging())
    (source / "latest").symlink_to("model.bin")
    path = store.open(store.put(source)) / "latest"
    assert not path.is_symlink() and path.read_bytes() == FILES["model.bin"]


def test_a_source_that_has_no_digest_stays_where_it_is(store: ArtifactStore) -> None:
    source = grow(store.staging())
    (source / "link").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match=r"link: is a symbolic link that leads out"):
        store.put(source)
    assert (source / "model.bin").read_bytes() == FILES["model.bin"]
    assert visible(store) == []


def test_what_is_stored_cannot_be_put_again_from_inside_the_store(store: ArtifactStore) -> None:
    digest = put(store)
    for source in (store.open(digest), store.root, store.root.parent):
        with pytest.raises(StoreError, match="part of, the store"):
            store.put(source)
    store.verify(digest)


def test_a_second_put_of_the_same_bytes_changes_nothing(store: ArtifactStore) -> None:
    first = put(store)
    inode = (store.open(first) / "model.bin").stat().st_ino
    source = grow(store.staging())
    assert store.put(source) == first and not source.exists()
    assert (store.open(first) / "model.bin").stat().st_ino == inode
    assert visible(store) == [first]


def test_a_put_replaces_damaged_bytes(store: ArtifactStore) -> None:
    digest = put(store)
    flip(store.open(digest) / "model.bin")
    assert put(store) == digest
    store.verify(digest, full=True)
    assert len(list((store.root / "quarantine").iterdir())) == 1


def test_a_put_replaces_an_entry_whose_bytes_were_deleted(store: ArtifactStore) -> None:
    digest = put(store)
    shutil.rmtree(store.open(digest))
    with pytest.raises(ArtifactMissing, match=digest):
        store.open(digest)
    assert not store.has(digest)
    assert put(store) == digest
    store.verify(digest, full=True)


def test_a_source_on_another_filesystem_is_copied_and_then_deleted(
    store: ArtifactStore, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "elsewhere", "4m") as disk:
        digest = store.put(grow(disk / "result"))
        assert not (disk / "result").exists()
        (disk / "file").write_bytes(b"one")
        assert store.open(store.put(disk / "file")).read_bytes() == b"one"
    store.verify(digest, full=True)


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc", "", "0" * 63, "G" * 64])
def test_what_is_not_there_is_missing(store: ArtifactStore, digest: str) -> None:
    assert not store.has(digest) and store.quarantine(digest) is None
    with pytest.raises(ArtifactMissing, match="materialize"):
        store.open(digest)


def test_list_tells_what_there_is(store: ArtifactStore, tmp_path: Path) -> None:
    inside, outside = put(store), store.put_reference(grow(tmp_path / "raw", {"a.edf": b"12345"}))
    first, second = store.list()
    assert first[:3] == (inside, 3, sum(map(len, FILES.values()))) and not first.external
    assert second[:5] == (outside, 1, 5, tmp_path / "raw", True)
    assert abs(first.created - time.time()) < 60


# crashes and concurrency


def test_a_writer_killed_at_any_moment_leaves_nothing_to_see(store: ArtifactStore) -> None:
    files = {f"part{number}": random.Random(number).randbytes(20_000) for number in range(12)}
    expected = digest_path(grow(store.staging(), files))
    dice = random.Random(1)
    started = time.monotonic()
    assert put(store, files) == expected
    usual = time.monotonic() - started
    outcomes = set()
    for number in range(45):
        shutil.rmtree(store.root / "objects")
        shutil.rmtree(store.root / "staging")
        source = grow(store.staging(), files)
        child = in_child(lambda source=source: store.put(source))
        if number % 3:
            time.sleep(dice.uniform(0, usual))
        while number % 3 == 0 and not visible(store):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen = visible(store)
        outcomes.add(len(seen))
        if seen:
            store.verify(expected, full=True)
        assert put(store, files) == expected
        store.verify(expected, full=True)
        assert visible(store) == [expected]
    assert outcomes == {0, 1}, "the kills all came too early or too late to mean anything"
    collect(store, [expected])
    assert not any(str(os.getpid()) not in path.name for path in (store.root / "staging").iterdir())


def test_eight_processes_may_put_the_same_directory_at_once(store: ArtifactStore, tmp_path: Path) -> None:
    sources = [grow(tmp_path / f"source{number}") for number in range(8)]
    expected, gate = digest_path(sources[0]), tmp_path / "gate"

    def work(source: Path) -> None:
        while not gate.exists():
            time.sleep(0.001)
        assert ArtifactStore(store.root).put(source) == expected
        store.verify(expected, full=True)

    children = [in_child(lambda source=source: work(source)) for source in sources]
    gate.touch()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert visible(store) == [expected]
    assert not any(source.exists() for source in sources)
    assert not (store.root / "quarantine").exists() and not list((store.root / "staging").iterdir())


def test_a_lock_excludes_other_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "directory" / "a.lock"

    def hold() -> None:
        with file_lock(path):
            (tmp_path / "held").touch()
            time.sleep(60)

    child = in_child(hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.005)
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        os.kill(child, signal.SIGKILL)

    timer = threading.Timer(0.3, kill)
    timer.start()
    with file_lock(path):
        assert killed and time.monotonic() - killed[0] < 30
    timer.join()
    os.waitpid(child, 0)


def test_a_wait_for_a_lock_can_be_interrupted(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with file_lock(tmp_path / "a.lock"), pytest.raises(KeyboardInterrupt):
            timer.start()
            with file_lock(tmp_path / "a.lock"):
                pass
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_lock_whose_file_is_deleted_still_admits_one_at_a_time(
    store: ArtifactStore, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def work() -> None:
        for _ in range(30):
            with file_lock(tmp_path / "a.lock", poll_s=0.0005):
                count = int(counter.read_text())
                time.sleep(0.0005)
                counter.write_text(str(count + 1))
                (tmp_path / "a.lock").unlink()

    children = [in_child(work) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert counter.read_text() == "120"


def test_names_of_locks_and_fingerprints_cannot_lead_out_of_the_store(store: ArtifactStore) -> None:
    with store.lock("../../outside"), store.lock("plain-name"):
        pass
    assert store.work_dir("../../x").parent == store.root / "work"
    assert not (store.root.parent / "outside.lock").exists()


def test_work_is_kept_until_it_is_discarded(store: ArtifactStore) -> None:
    (store.work_dir("abc") / "checkpoint").write_bytes(b"1")
    assert (store.work_dir("abc") / "checkpoint").exists()
    store.discard_work("abc")
    store.discard_work("abc")
    assert list(store.work_dir("abc").iterdir()) == []


# damage


@pytest.mark.parametrize("single", [False, True])
def test_a_flipped_byte_is_found_by_a_quick_look(store: ArtifactStore, single: bool) -> None:
    source = grow(store.staging())
    digest = store.put(source / "model.bin" if single else source)
    path = store.open(digest)
    victim = path if single else path / "model.bin"
    flip(victim)
    for _ in range(2):
        with pytest.raises(ArtifactDamaged, match=rf"{victim}: content differs .*materialize"):
            store.open(digest)


def test_a_flipped_byte_that_no_stamp_betrays_is_found_by_a_full_look(store: ArtifactStore) -> None:
    digest = put(store)
    victim = store.open(digest) / "model.bin"
    flip(victim)
    index = store.index_path(digest)
    rows = json.loads(index.read_text())
    rows["model.bin"][4] = victim.stat().st_ctime_ns
    index.write_text(json.dumps(rows))
    store.verify(digest)
    with pytest.raises(ArtifactDamaged, match=r"model\.bin: content differs"):
        store.verify(digest, full=True)
    aside = store.quarantine(digest)
    assert aside is not None and aside.is_dir() and not store.has(digest)
    assert put(store) == digest
    store.verify(digest, full=True)


def test_extra_missing_and_wrong_files_are_named(store: ArtifactStore) -> None:
    digest = put(store)
    path = store.open(digest)
    (path / "extra").touch()
    with pytest.raises(ArtifactDamaged, match=r"extra: not part of the artifact"):
        store.open(digest)
    (path / "extra").unlink()
    store.verify(digest)
    (path / "model.bin").rename(store.root / "kept")
    with pytest.raises(ArtifactDamaged, match=r"model\.bin: missing"):
        store.open(digest)
    (path / "model.bin").symlink_to(store.root / "kept")
    with pytest.raises(ArtifactDamaged, match=r"model\.bin: is a symbolic link"):
        store.open(digest)
    (path / "model.bin").unlink()
    (path / "model.bin").mkdir()
    with pytest.raises(ArtifactDamaged, match=r"model\.bin: missing"):
        store.open(digest)
    assert store.has(digest)


def test_intact_bytes_are_not_set_aside(store: ArtifactStore) -> None:
    digest = put(store)
    assert store.quarantine(digest) is None
    store.verify(digest)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"kind": "directory", "files": {"a": 1}}'])
def test_a_lost_manifest_is_made_again_from_the_bytes(store: ArtifactStore, content: bytes | None) -> None:
    digest = put(store)
    manifest = store.record_path(digest, external=False)
    before = manifest.read_bytes()
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    assert len(store.list()) == 1
    store.open(digest)
    assert manifest.read_bytes() == before


def test_a_lost_manifest_does_not_hide_damage(store: ArtifactStore) -> None:
    digest = put(store)
    store.record_path(digest, external=False).unlink()
    flip(store.entry(digest) / "data" / "model.bin")
    with pytest.raises(ArtifactDamaged, match="manifest is lost"):
        store.open(digest)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"model.bin": 3}'])
def test_a_spoilt_stamp_index_costs_a_rehash_and_no_more(store: ArtifactStore, content: bytes) -> None:
    digest = put(store)
    store.index_path(digest).write_bytes(content)
    store.open(digest)
    assert json.loads(store.index_path(digest).read_text()).keys() == FILES.keys()


@pytest.mark.parametrize("how", [["mv"], ["cp", "-r"]])
def test_a_store_may_be_moved_or_copied(store: ArtifactStore, tmp_path: Path, how: list[str]) -> None:
    digest = put(store)
    subprocess.run([*how, str(store.root), str(tmp_path / "there")], check=True)
    there = ArtifactStore(tmp_path / "there")
    there.open(digest)
    stamps = there.index_path(digest).read_bytes()
    there.open(digest)
    assert there.index_path(digest).read_bytes() == stamps
    there.verify(digest, full=True)
    inode = (there.open(digest) / "model.bin").stat().st_ino
    assert json.loads(stamps)["model.bin"][3] == inode


def test_a_byte_flipped_before_the_copied_store_was_looked_at_is_found(
    store: ArtifactStore, tmp_path: Path
) -> None:
    digest = put(store)
    shutil.copytree(store.root, tmp_path / "there")
    there = ArtifactStore(tmp_path / "there")
    flip(there.entry(digest) / "data" / "model.bin")
    with pytest.raises(ArtifactDamaged, match=r"model\.bin"):
        there.open(digest)


# full and read-only disks


def test_a_full_disk_is_named_and_nothing_is_half_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        store = ArtifactStore(disk / "store")
        kept = put(store, {"small": b"1"})
        outside = grow(tmp_path / "result", {"big": os.urandom(2 << 20)})
        with pytest.raises(StoreError, match=r"No space left on device: the file system at \S+/disk has "):
            store.put(outside)
        assert (outside / "big").stat().st_size == 2 << 20
        source = grow(store.staging(), {"new": b"2"})
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        with pytest.raises(StoreError, match=r"No space left on device: the file system at \S+/disk has "):
            store.put(source)
        assert (source / "new").read_bytes() == b"2"
        assert visible(store) == [kept]
        store.open(kept)
        (disk / "ballast").unlink()
        assert store.open(store.put(source)).joinpath("new").read_bytes() == b"2"


def test_a_read_only_store_can_be_read_and_says_why_it_cannot_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        store = ArtifactStore(disk / "store")
        digest = put(store)
        store.index_path(digest).unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with store.in_use(digest):
            assert (store.open(digest) / "model.bin").read_bytes() == FILES["model.bin"]
        store.verify(digest, full=True)
        source = grow(tmp_path / "result", {"new": b"2"})
        for attempt in (lambda: store.put(source), store.staging, lambda: store.put_reference(source)):
            with pytest.raises(StoreError, match=r"Read-only file system; make it writable"):
                attempt()
        assert (source / "new").read_bytes() == b"2" and visible(store) == [digest]


def test_write_atomic_replaces_whole_files_and_leaves_no_traces(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    write_atomic(target, b"one")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two" and list(target.parent.iterdir()) == [target]
    with pytest.raises(StoreError, match=r"file"):
        write_atomic(target / "below", b"three")


# bytes outside the store


def test_a_reference_copies_nothing_and_knows_an_unchanged_file_again(
    store: ArtifactStore, tmp_path: Path
) -> None:
    raw = grow(tmp_path / "raw", {"a.edf": b"1", "sub/b.edf": b"2"})
    digest = store.put_reference(raw)
    assert digest == digest_path(raw) and store.open(digest) == raw
    assert (raw / "a.edf").stat().st_mode & 0o200
    collect(store, [digest])
    # Content that changes without any stamp changing is not read: only a full look finds it.
    index = store.reference_index(raw)
    flip(raw / "a.edf")
    rows = json.loads(index.read_text())
    rows["a.edf"][4] = (raw / "a.edf").stat().st_ctime_ns
    index.write_text(json.dumps(rows))
    assert store.put_reference(raw) == digest
    with pytest.raises(ArtifactDamaged, match=r"a\.edf: content differs .*materialize the asset that reads"):
        store.verify(digest, full=True)
    assert store.put_reference(raw) == digest_path(raw) != digest


def test_a_reference_follows_its_bytes_to_another_place(store: ArtifactStore, tmp_path: Path) -> None:
    raw = grow(tmp_path / "raw", {"a.edf": b"1"})
    digest = store.put_reference(raw)
    raw.rename(tmp_path / "moved")
    assert not store.has(digest)
    with pytest.raises(ArtifactMissing, match=rf"{raw} is gone"):
        store.open(digest)
    assert store.put_reference(tmp_path / "moved") == digest
    assert store.open(digest) == tmp_path / "moved"


def test_a_reference_may_name_the_files_that_count(store: ArtifactStore, tmp_path: Path) -> None:
    raw = grow(tmp_path / "raw", {"a.edf": b"1", "sub/b.edf": b"2", "notes.txt": b"x"})
    digest = store.put_reference(raw, [raw / "sub" / "b.edf", Path("a.edf")])
    assert digest == digest_path(grow(tmp_path / "same", {"a.edf": b"1", "sub/b.edf": b"2"}))
    (raw / "notes.txt").write_bytes(b"changed")
    store.verify(digest, full=True)
    (raw / "a.edf").unlink()
    with pytest.raises(ArtifactDamaged, match=r"a\.edf: cannot be read"):
        store.open(digest)
    for wrong in (tmp_path / "same" / "a.edf", Path("../same/a.edf"), raw):
        with pytest.raises(StoreError, match="not under"):
            store.put_reference(raw, [wrong])
    with pytest.raises(StoreError, match=r"none\.edf: cannot be read"):
        store.put_reference(raw, [Path("none.edf")])


def test_a_folder_that_grew_no_longer_is_what_was_recorded(store: ArtifactStore, tmp_path: Path) -> None:
    raw = grow(tmp_path / "raw", {"a.edf": b"1"})
    digest = store.put_reference(raw)
    (raw / "b.edf").write_bytes(b"2")
    with pytest.raises(ArtifactDamaged, match=r"b\.edf: not part of the artifact"):
        store.open(digest)
    assert store.put_reference(raw) != digest
    assert store.quarantine(digest) is None and (raw / "a.edf").exists()
    assert not store.has(digest)


def test_a_reference_follows_links(store: ArtifactStore, tmp_path: Path) -> None:
    disk = grow(tmp_path / "disk", {"a.edf": b"1"})
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.edf").symlink_to(disk / "a.edf")
    (tmp_path / "link").symlink_to(tmp_path / "raw")
    digest = store.put_reference(tmp_path / "link")
    assert digest == digest_path(disk)
    store.open(digest)
    flip(disk / "a.edf")
    with pytest.raises(ArtifactDamaged, match=r"a\.edf"):
        store.open(digest)


# garbage collection


def test_collect_deletes_what_is_not_kept_and_nothing_else(store: ArtifactStore, tmp_path: Path) -> None:
    kept, gone = put(store), put(store, {"a": b"12345"})
    raw = grow(tmp_path / "raw", {"a.edf": b"1"})
    outside = store.put_reference(raw)
    plan = collect(store, [kept], in_use_grace_s=0, dry_run=True)
    assert len(store.list()) == 3
    report = collect(store, [kept], in_use_grace_s=0)
    assert report == plan
    assert sorted(report.removed) == sorted([gone, outside]) and report.bytes_freed == 5
    assert visible(store) == [kept] and (raw / "a.edf").exists()
    assert not list((store.root / "staging").iterdir())
    store.verify(kept, full=True)


def test_collect_spares_what_was_put_or_opened_lately(store: ArtifactStore) -> None:
    digest = put(store)
    manifest = store.record_path(digest, external=False)
    assert collect(store, []).recent == (digest,)
    for touch in (lambda: store.open(digest), lambda: put(store)):
        os.utime(manifest, (1, 1))
        touch()
        assert collect(store, []).recent == (digest,)
    os.utime(manifest, (1, 1))
    assert collect(store, []).removed == (digest,)


def test_collect_looks_again_at_what_it_listed(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may open or collect it before its locks are held."""
    opened, collected = put(store), put(store, {"a": b"12345"})
    for digest in (opened, collected):
        os.utime(store.record_path(digest, external=False), (1, 1))
    listed = store.list()

    def list_and_lose_time() -> list[StoredArtifact]:
        store.open(opened)
        monkeypatch.undo()
        assert collect(store, [opened]).removed == (collected,)
        return listed

    monkeypatch.setattr(store, "list", list_and_lose_time)
    report = collect(store, [])
    assert (report.recent, report.removed, report.bytes_freed) == ((opened,), (), 0)
    store.verify(opened, full=True)


def test_collect_spares_what_another_process_reads(store: ArtifactStore, tmp_path: Path) -> None:
    digest = put(store)

    def read() -> None:
        with store.in_use(digest), store.in_use(digest):
            (tmp_path / "reading").touch()
            time.sleep(60)

    child = in_child(read)
    try:
        while not (tmp_path / "reading").exists():
            time.sleep(0.005)
        assert collect(store, [], in_use_grace_s=0).in_use == (digest,)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert collect(store, [], in_use_grace_s=0).removed == (digest,)
    assert list((store.root / "locks").iterdir()) == []


def test_collect_clears_staging_of_the_dead_and_not_of_the_living(store: ArtifactStore) -> None:
    mine = grow(store.staging(), {"a": b"1"})
    os.waitpid(in_child(lambda: grow(store.staging(), {"a": b"123"})), 0)
    foreign = store.root / "staging" / "1-00000000-abc"
    foreign.mkdir()
    report = collect(store, [])
    assert len(report.leftovers) == 1 and report.bytes_freed >= 3
    assert sorted((store.root / "staging").iterdir()) == sorted([mine, foreign])


def test_put_open_and_collect_at_once_never_show_damage(store: ArtifactStore) -> None:
    end = time.monotonic() + 3

    def write() -> None:
        while time.monotonic() < end:
            digest = put(store)
            with contextlib.suppress(ArtifactMissing), store.in_use(digest):
                path = store.open(digest)
                assert (path / "model.bin").read_bytes() == FILES["model.bin"]

    def sweep() -> None:
        while time.monotonic() < end:
            collect(store, [], in_use_grace_s=0)

    children = [in_child(work) for work in (write, write, sweep, sweep)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert not (store.root / "quarantine").exists()


def test_the_store_needs_no_dagster() -> None:
    code = "import sys, blut_resources.store.artifacts; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_file_is_read_once_and_proved_by_the_digest(store: ArtifactStore, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "verdict.json").write_bytes(b"no")
    (folder / "figures.json").write_bytes(b"{}")
    digest = store.put(folder)
    path = store.open(digest) / "verdict.json"
    assert store.read(digest, "verdict.json") == b"no"
    with swapped_when_opened(path, [b"no", b"yes"]) as opened:
        assert store.read(digest, "verdict.json") == b"no"
        assert len(opened) == 1
        with pytest.raises(ArtifactDamaged, match=r"verdict\.json: content differs"):
            store.read(digest, "verdict.json")
    with pytest.raises(ArtifactMissing, match="has no file 'other'"):
        store.read(digest, "other")
    (store.entry(digest) / "manifest.json").unlink()
    with pytest.raises(ArtifactDamaged):
        store.read(digest, "verdict.json")
    path.write_bytes(b"no")
    assert store.read(digest, "verdict.json") == b"no", (
        "the bytes prove themselves where the manifest is lost"
    )
    single = tmp_path / "one"
    single.write_bytes(b"1")
    assert store.read(store.put(single)) == b"1"


def test_a_file_with_another_name_is_copied_and_its_owner_keeps_it(
    store: ArtifactStore, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(FILES["model.bin"])
    mine.chmod(0o640)
    source = grow(store.staging())
    os.link(mine, source / "linked.bin")
    (source / "model.bin").chmod(0o4755)
    path = store.open(store.put(source))
    stored = (path / "linked.bin").stat()
    assert (path / "linked.bin").read_bytes() == FILES["model.bin"]
    assert stored.st_ino != mine.stat().st_ino and stored.st_mode & 0o7222 == 0
    assert mine.stat().st_mode & 0o7777 == 0o640 and mine.stat().st_nlink == 1
    assert (path / "model.bin").stat().st_mode & 0o7777 == 0o555
    mine.write_bytes(b"mine")
    assert (path / "linked.bin").read_bytes() == FILES["model.bin"]
