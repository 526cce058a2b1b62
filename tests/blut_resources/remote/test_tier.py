"""What is pushed is pulled whole, by whoever and whenever, or not at all."""

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blut_resources.files.durable import StoreError
from blut_resources.remote import tier as tiers
from blut_resources.remote.bucket import Bucket
from blut_resources.remote.tier import RemoteTier
from blut_resources.remote.words import RemoteDamaged, RemoteError, RemoteMissing
from blut_resources.store.artifacts import ArtifactStore
from tests.blut_resources.remote.conftest import Makes
from tests.buckets import Wire

BIG = 20 << 20


def tree(directory: Path, big: int = 0) -> Path:
    """Files as they come: deep, empty, executable, with names that no tar of old can hold."""
    source = directory / "source"
    (source / "deep" / ("long" * 40)).mkdir(parents=True)
    (source / "deep" / ("long" * 40) / "näme with 空 and\nnewline").write_bytes(b"odd")
    (source / "empty").write_bytes(b"")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    (source / "big").write_bytes(random.Random(0).randbytes(big))
    return source


def objects(tier: RemoteTier) -> list[str]:
    return sorted(path for path, _ in tier.bucket.names("objects"))


def untouched(store: ArtifactStore) -> bool:
    """Nothing in it, and nothing half-written."""
    staged = list((store.root / "staging").iterdir()) if (store.root / "staging").is_dir() else []
    return not store.list() and not staged


def test_what_is_pushed_is_pulled_on_another_machine(tmp_path: Path, box: Makes) -> None:
    """Files, names, modes; a second push sends nothing, a second pull takes nothing."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, BIG))
    single = tmp_path / "single"
    single.write_bytes(b"one file")
    one = here.store.put(single)
    assert here.opened()  # this server heeds If-None-Match
    moved: list[int] = []
    assert [here.push(digest, moved.append), here.push(one), here.push(digest)] == ["sent", "sent", "there"]
    assert BIG < sum(moved) < BIG + 20_000
    assert objects(here) == sorted(
        f"objects/{d[:2]}/{d}{end}" for d in (digest, one) for end in (".json", ".tar")
    )
    assert there.digests().keys() == {digest, one}
    there.pull(digest)
    there.pull(one)
    there.store.verify(digest, full=True)
    assert there.store.open(one).read_bytes() == b"one file"
    data = there.store.open(digest)
    assert os.access(data / "run.sh", os.X_OK) and not os.access(data / "empty", os.X_OK)
    assert (data / "link").read_text() == "#!/bin/sh\n" and not (data / "link").is_symlink()
    moved.clear()
    there.pull(digest, moved.append)
    assert moved == [] and there.push(digest) == "there"
    with pytest.raises(RemoteMissing, match="has no artifact"):
        there.pull("0" * 64)


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize("scheme", ["s3", "file"])
def test_a_prefix_is_taken_as_it_is_written(tmp_path: Path, url: str, scheme: str) -> None:
    names = ["a#1", "a#2", "a?x=1", "a b", "a%20b", "ü 空/+&='\"(),;:@$!*[]{}~^|\\"]
    for name in names:
        (tmp_path / "source").mkdir()  # which goes into a store
        root = url if scheme == "s3" else f"file://{tmp_path}"
        if scheme == "file":
            (tmp_path / name).mkdir(parents=True)
        bucket = Bucket(f"{root}/{name}")
        here, there = (RemoteTier(ArtifactStore(tmp_path / f"{name} {n}"), bucket) for n in ("a", "b"))
        digest = here.store.put(tmp_path / "source")
        assert here.push(digest) == "sent", "each prefix is a place of its own"
        there.pull(digest)
        assert there.store.has(digest) and there.digests().keys() == {digest}
        assert scheme == "s3" or (tmp_path / name / "objects").is_dir()


def test_a_directory_without_files_travels_too(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "source").mkdir()
    bucket = Bucket(f"file://{tmp_path / 'bucket'}")
    here, there = (RemoteTier(ArtifactStore(tmp_path / name), bucket) for name in ("a", "b"))
    digest = here.store.put(tmp_path / "source")
    assert here.push(digest) == "sent"
    there.pull(digest)
    assert there.store.open(digest).is_dir() and there.store.files(digest) == {}


def test_the_stream_is_the_same_from_every_machine(tmp_path: Path, box: Makes) -> None:
    """Whoever pushes last changes no byte of it."""
    streams = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tier = box()
        digest = tier.store.put(tree(tmp_path / name))
        files = {key: tiers.Hashed(*known, None) for key, known in tier.store.files(digest).items()}
        streams.append(b"".join(tiers.stream(tier.store.open(digest), files)))
        assert len(streams[-1]) == tiers.stream_size(files)
    assert streams[0] == streams[1]


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_connection_that_is_cut_is_made_again(tmp_path: Path, box: Makes, wire: Wire, cuts: int) -> None:
    """In the middle of a push, then in the middle of a pull."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, BIG))
    wire.up, wire.cuts = 1 << 20, cuts
    assert here.push(digest) == "sent" and wire.n_cut == cuts
    wire.up, wire.down, wire.n_cut = None, 1 << 20, 0
    there.pull(digest)
    assert wire.n_cut == cuts
    there.store.verify(digest, full=True)


def test_a_connection_that_stays_cut_leaves_nothing_half_written(
    tmp_path: Path, box: Makes, wire: Wire, url: str
) -> None:
    """On neither side; the same command afterwards does it all."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, BIG))
    here.bucket, there.bucket = Bucket(url, insistent=False), Bucket(url, insistent=False)
    wire.up, wire.cuts = 1 << 20, 1000
    with pytest.raises(RemoteError, match="no answer: see whether the network is there"):
        here.push(digest)
    wire.up = None
    assert objects(here) == []
    with pytest.raises(RemoteMissing):
        there.pull(digest)
    assert here.push(digest) == "sent"
    wire.down = 1 << 20
    with pytest.raises(RemoteError, match="no answer"):
        there.pull(digest)
    assert untouched(there.store)
    wire.down = None
    there.pull(digest)
    there.store.verify(digest, full=True)


def test_a_push_that_is_killed_is_begun_again(tmp_path: Path, box: Makes, url: str) -> None:
    """Without a manifest nobody takes its bytes for whole."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, BIG))
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from blut_resources.remote.bucket import Bucket; from blut_resources.remote.tier import RemoteTier\n"
        "from blut_resources.store.artifacts import ArtifactStore\n"
        "tier, sent = RemoteTier(ArtifactStore(Path(sys.argv[1])), Bucket(sys.argv[2])), []\n"
        "def moved(n):\n"
        "    sent.append(n)\n"
        "    if sum(sent) > 9 << 20: os.kill(os.getpid(), signal.SIGKILL)\n"
        "tier.push(sys.argv[3], moved)"
    )
    killed = subprocess.run([sys.executable, "-c", code, here.store.root, url, digest], check=False)
    assert killed.returncode == -9 and there.digests() == {} and there.holds(digest) is None
    assert here.push(digest) == "sent"
    there.pull(digest)


@pytest.mark.parametrize("what", ["tar", "json"])
def test_a_flipped_byte_is_refused_and_replaced(tmp_path: Path, box: Makes, what: str) -> None:
    """Nothing of it gets into the store; the push of who has computed it again mends it."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, 1 << 20))
    here.push(digest)
    path = f"objects/{digest[:2]}/{digest}.{what}"
    data = bytearray(here.bucket.read(path) or b"")
    data[len(data) // 2] ^= 1
    here.bucket.replace(path, bytes(data))
    with pytest.raises((RemoteDamaged, RemoteMissing)):
        there.pull(digest)
    assert untouched(there.store)
    (tmp_path / "again").mkdir()
    assert there.store.put(tree(tmp_path / "again", 1 << 20)) == digest
    assert [there.push(digest), there.push(digest)] == ["sent", "there"]
    third = box()
    third.pull(digest)
    third.store.verify(digest, full=True)


def test_two_that_push_at_once_leave_one_whole(tmp_path: Path, box: Makes) -> None:
    """Neither is told of the other, and a third pulls it."""
    from concurrent.futures import ThreadPoolExecutor

    here, there = box(), box()
    for name, tier in (("a", here), ("b", there)):
        (tmp_path / name).mkdir()
        digest = tier.store.put(tree(tmp_path / name, BIG))
    with ThreadPoolExecutor(2) as pool:
        assert "sent" in list(pool.map(lambda tier: tier.push(digest), (here, there)))
    third = box()
    third.pull(digest)
    third.store.verify(digest, full=True)


def test_a_full_disk_is_said_before_a_byte_is_asked_for(
    tmp_path: Path, box: Makes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that fills up meanwhile leaves nothing."""
    here, there = box(), box()
    digest = here.store.put(tree(tmp_path, 1 << 20))
    here.push(digest)
    moved: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(tiers.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
        with pytest.raises(StoreError, match="No space left on device"):
            there.pull(digest, moved.append)
    assert moved == []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="No space left on device"):
        there.pull(digest, full)
    assert untouched(there.store)


def test_what_stays_with_the_user_is_not_pushed(tmp_path: Path, box: Makes) -> None:
    """Recordings of patients do not travel by themselves."""
    here = box()
    assert here.push(here.store.put_reference(tree(tmp_path))) == "external"
    assert objects(here) == []
