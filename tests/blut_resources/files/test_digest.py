"""Digests name content: nothing else, and on every machine alike."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import blake3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blut_resources.files import digest as digests
from blut_resources.files.digest import digest_bytes, digest_path
from blut_resources.files.durable import StoreError

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
trees = st.dictionaries(names, st.binary(max_size=64), max_size=6)
quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def grow(tmp_path: Path) -> Callable[[list[tuple[str, bytes]]], Path]:
    """Make a new directory with these files, in the order given."""
    count = 0

    def make(files: list[tuple[str, bytes]]) -> Path:
        nonlocal count
        count += 1
        root = tmp_path / f"tree{count}"
        root.mkdir()
        for name, data in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return root

    return make


@quiet
@given(files=trees, order=st.randoms(use_true_random=False))
def test_order_of_creation_does_not_change_a_digest(grow, files, order) -> None:
    shuffled = list(files.items())
    order.shuffle(shuffled)
    assert digest_path(grow(list(files.items()))) == digest_path(grow(shuffled))


@quiet
@given(files=trees.filter(bool), name=names)
def test_renaming_a_file_changes_the_digest(grow, files, name) -> None:
    if name in files:
        return
    root = grow(list(files.items()))
    before = digest_path(root)
    (root / next(iter(files))).rename(root / name)
    assert digest_path(root) != before


@quiet
@given(files=trees.filter(bool), data=st.binary(max_size=64))
def test_other_bytes_change_the_digest(grow, files, data) -> None:
    root = grow(list(files.items()))
    before = digest_path(root)
    first = next(iter(files))
    (root / first).write_bytes(data)
    assert (digest_path(root) == before) == (data == files[first])


def test_bytes_moved_from_one_file_to_the_next_change_the_digest(grow) -> None:
    assert digest_path(grow([("a", b"xy"), ("b", b"")])) != digest_path(grow([("a", b"x"), ("b", b"y")]))
    assert digest_path(grow([("a", b""), ("b", b"")])) != digest_path(grow([("a/b", b"")]))


def test_a_file_differs_from_a_directory_that_holds_it(grow) -> None:
    root = grow([("a", b"data")])
    assert digest_path(root / "a") != digest_path(root)


def test_a_file_with_the_listing_of_a_directory_differs_from_the_directory(grow) -> None:
    root = grow([("a", b"data")])
    listing = f"a\0{4}\0{digest_bytes(b'data')}\n".encode()
    assert digest_bytes(listing) != digest_path(root)


def test_the_digest_of_a_file_is_what_b3sum_prints(grow) -> None:
    file = grow([("a", b"data")]) / "a"
    assert digest_path(file) == digest_bytes(b"data") == blake3.blake3(b"data").hexdigest()


def test_the_recipe_stands(grow) -> None:
    """Stored artifacts outlive a release: a change here would orphan all of them."""
    root = grow([("b/c", b"2"), ("a", b"1"), ("empty", b"")])
    assert digest_path(root) == "19f07a9141191774f2721871913c328453d5de6c1edecf563f05eaa836c4d620"


def test_times_modes_and_empty_directories_are_not_content(grow) -> None:
    one, two = grow([("a", b"1")]), grow([("a", b"1")])
    (two / "empty" / "inner").mkdir(parents=True)
    (two / "a").chmod(0o755)
    os.utime(two / "a", (1, 1))
    assert digest_path(one) == digest_path(two)


def test_a_big_file_hashed_by_many_threads_has_the_same_digest(grow) -> None:
    data = os.urandom(digests.BIG + 12345)
    root = grow([("big", data)])
    assert digest_path(root / "big") == digest_bytes(data)
    assert digests.digest_file(root / "big", threads=4).digest == digest_bytes(data)


def test_a_forked_child_can_hash_big_files_too(grow) -> None:
    file = grow([("big", bytes(digests.BIG))]) / "big"
    expected = digest_path(file)
    child = os.fork()
    if child == 0:
        os._exit(0 if digest_path(file) == expected else 1)
    end = time.monotonic() + 120
    while (status := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert status[1] == 0


def test_many_small_files_have_the_digest_of_the_listing(grow) -> None:
    root = grow([(f"d{number % 7}/f{number}", b"%d" % number) for number in range(500)])
    hasher = blake3.blake3(derive_key_context=digests.TREE_CONTEXT)
    files = sorted((f"d{number % 7}/f{number}", b"%d" % number) for number in range(500))
    for name, data in files:
        hasher.update(f"{name}\0{len(data)}\0{digest_bytes(data)}\n".encode())
    assert digest_path(root) == hasher.hexdigest()


def test_a_link_inside_counts_as_the_file_it_leads_to(grow) -> None:
    one, two = grow([("a", b"1"), ("b", b"1")]), grow([("a", b"1")])
    (two / "b").symlink_to("a")
    assert digest_path(one) == digest_path(two)


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "nowhere", "."])
def test_a_link_that_leads_out_or_nowhere_is_refused_by_name(grow, target) -> None:
    root = grow([("a", b"1")])
    (root / "link").symlink_to(target)
    with pytest.raises(StoreError, match=r"link: is a symbolic link .*put the files themselves"):
        digest_path(root)


def test_a_pipe_is_refused_by_name(grow) -> None:
    root = grow([("a", b"1")])
    os.mkfifo(root / "pipe")
    with pytest.raises(StoreError, match=r"pipe: neither a file nor a directory"):
        digest_path(root)


def test_a_name_that_is_not_utf8_is_refused(grow) -> None:
    root = grow([("a", b"1")])
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_bytes(b"")
    with pytest.raises(StoreError, match="not UTF-8; rename"):
        digest_path(root)


def test_a_path_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing: cannot be read"):
        digest_path(tmp_path / "nothing")


def test_a_file_that_is_being_written_is_refused(grow) -> None:
    file = grow([("log", b"x" * (1 << 20))]) / "log"
    writer = subprocess.Popen(["sh", "-c", f"while :; do echo more >> {file}; done"])
    try:
        with pytest.raises(StoreError, match=r"log: changed while it was being read"):
            for _ in range(200):
                digest_path(file)
    finally:
        writer.kill()
        writer.wait()


def test_what_was_digested_is_read_again_where_its_stamp_does_not_stand(grow) -> None:
    file = grow([("a", b"1")]) / "a"
    known = {"": digests.digest_file(file)._replace(digest="known")}
    assert digests.digest_files(file, [""], known)[""].digest == "known"
    file.write_bytes(b"2")
    assert digests.digest_files(file, [""], known)[""].digest == digest_bytes(b"2")


def test_a_file_from_the_future_is_read_again(grow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was set back: another write might leave the same times."""
    file, clock = grow([("a", b"1")]) / "a", time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() - 60_000_000_000)
    known = {"": digests.digest_file(file)._replace(digest="known")}
    assert digests.digest_files(file, [""], known)[""].digest == digest_bytes(b"1")


def test_importing_the_store_is_cheap() -> None:
    code = (
        "import sys, json, pathlib, typing, blake3; before = set(sys.modules);"
        "import blut_resources.store.artifacts;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "dagster" not in result.stdout and "concurrent" not in result.stdout
