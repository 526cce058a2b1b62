"""Many files are recognised at once, and a change of any one of them is never missed."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blut_resources.files import digest as digests
from blut_resources.store import manifest, records, references
from blut_resources.store.artifacts import ArtifactDamaged, ArtifactMissing, ArtifactStore
from blut_resources.store.gc import collect
from blut_resources.store.seen import MANY

NAMES = [f"p{number % 7}/r{number:03}.edf" for number in range(MANY + 20)]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every index and manifest that is read row by row."""
    read: list[Path] = []

    def noted(path: Path) -> dict[str, digests.Hashed]:
        read.append(path)
        return manifest.load_index(path)

    for module in (records, references):
        monkeypatch.setattr(module, "load_index", noted)
    return read


def test_unchanged_files_cost_no_row(store: ArtifactStore, raw: Path, parsed: list[Path]) -> None:
    first = store.referenced(raw, NAMES)
    assert first == (digests.digest_path(raw), len(NAMES), sum(map(len, NAMES)))
    parsed.clear()
    assert store.referenced(raw, NAMES) == first and store.open(first.digest) == raw
    assert store.put_reference(raw, [raw / name for name in NAMES]) == first.digest
    assert parsed == []


def _rewritten_in_place(raw: Path) -> None:
    victim = raw / NAMES[3]
    before = victim.stat()
    victim.write_text(NAMES[3].upper())
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(raw: Path) -> None:
    victim = raw / NAMES[3]
    (raw / "new").write_text(NAMES[3].upper())
    (raw / "new").replace(victim)


def _link_led_elsewhere(raw: Path) -> None:
    (raw / "elsewhere").write_text(NAMES[3].upper())
    (raw / NAMES[3]).unlink()
    (raw / NAMES[3]).symlink_to(raw / "elsewhere")


CHANGES: list[Callable[[Path], None]] = [_rewritten_in_place, _replaced, _link_led_elsewhere]


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_changed_is_noticed(store: ArtifactStore, raw: Path, change: Callable[[Path], None]) -> None:
    before = store.put_reference(raw, NAMES)
    assert store.put_reference(raw, NAMES) == before
    time.sleep(0.02)
    change(raw)
    with pytest.raises(ArtifactDamaged, match=r"r003\.edf: content differs"):
        store.open(before)
    after = store.put_reference(raw, NAMES)
    assert after != before and store.open(after) == raw


def test_one_that_came_or_went_is_noticed(store: ArtifactStore, raw: Path) -> None:
    before = store.put_reference(raw, NAMES)
    assert store.put_reference(raw, NAMES[1:]) != before
    assert store.put_reference(raw, NAMES) == before
    (raw / NAMES[0]).unlink()
    with pytest.raises(ArtifactDamaged, match=r"r000\.edf"):
        store.open(before)


def test_a_whole_directory_is_compared_with_what_lies_in_it(store: ArtifactStore, raw: Path) -> None:
    digest = store.put_reference(raw)
    for _ in range(2):  # the first look writes the note that the second believes
        assert store.open(digest) == raw
    (raw / "p0" / "more").write_text("more")
    with pytest.raises(ArtifactDamaged, match=r"more: not part of the artifact"):
        store.open(digest)


def test_stored_files_are_recognised_too(store: ArtifactStore, raw: Path, parsed: list[Path]) -> None:
    digest = store.put(raw)
    path = store.open(digest)
    parsed.clear()
    assert store.open(digest) == path and parsed == []
    victim = path / NAMES[5]
    victim.chmod(0o644)
    with pytest.raises(ArtifactDamaged, match=r"r005\.edf"):
        victim.write_text("x" * len(NAMES[5]))
        store.open(digest)
    assert not store.note_path(digest).exists()


def test_a_note_is_believed_with_its_record_alone(store: ArtifactStore, raw: Path) -> None:
    digest = store.put_reference(raw, NAMES)
    record = store.record_path(digest, external=True)
    record.unlink()
    with pytest.raises(ArtifactMissing):
        store.open(digest)
    assert store.put_reference(raw, NAMES) == digest and store.open(digest) == raw
    moved = raw.rename(raw.with_name("moved"))
    assert store.put_reference(moved, NAMES) == digest and store.open(digest) == moved
    moved.rename(raw)
    with pytest.raises(ArtifactMissing):
        store.open(digest)
    assert store.put_reference(raw, NAMES) == digest and store.open(digest) == raw


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\n\0", b'{"schema": "blut.seen.v1"}\n'])
def test_a_torn_note_is_none(store: ArtifactStore, raw: Path, content: bytes) -> None:
    digest = store.put_reference(raw, NAMES)
    for path in (store.note_path(digest), store.reference_note(raw)):
        assert path.exists()
        path.write_bytes(content)
    assert store.open(digest) == raw and store.put_reference(raw, NAMES) == digest


def test_a_note_goes_with_its_artifact(store: ArtifactStore, raw: Path) -> None:
    digest = store.put_reference(raw, NAMES)
    os.utime(store.record_path(digest, external=True), (0, 0))
    collect(store, [])
    assert not store.note_path(digest).exists()


@pytest.mark.parametrize("wrong", ["../raw/x", "/etc/hostname", "p0//r000.edf/..", ".", "a/../b", ""])
def test_names_given_as_text_stay_below_the_directory(store: ArtifactStore, raw: Path, wrong: str) -> None:
    with pytest.raises(digests.StoreError):
        store.put_reference(raw, [*NAMES, wrong])


def test_names_may_be_spelled_as_paths_are(store: ArtifactStore, raw: Path) -> None:
    spelled = [f"./{name}" for name in NAMES]
    assert store.put_reference(raw, spelled) == store.put_reference(raw, NAMES)
    (raw / "a..b").write_text("a..b")
    assert store.put_reference(raw, [*NAMES, "a..b"]) == digests.digest_path(raw)
