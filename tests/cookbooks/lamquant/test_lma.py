"""LMA archives: exact contents, deterministic bytes, and refusal of damaged or hostile files."""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.formats.lma.archive import (
    LmaArchive,
    LmaError,
    parse_lma,
    read_lma,
)
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml

TEXT = b"onset,duration,label\n" * 200
SIGNAL = np.arange(800).reshape(2, 400) % 37


def lml_bytes() -> bytes:
    return encode_lml(SIGNAL, 250.0, bit_depth=16, metadata={})


def archive(path: Path, *entries: LmaEntry) -> LmaArchive:
    write_lma(path, list(entries))
    return read_lma(path)


def record(name: Any, data: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "path": name,
        "original_size": len(data),
        "compressed_size": len(data),
        "method": "store",
        "sha256": hashlib.sha256(data).hexdigest(),
        "offset": 0,
        **changes,
    }


def lma1(
    manifest: Any, payloads: bytes = b"", *, count: int = 1, raw: bool = False, sealed: bool = True
) -> bytes:
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    stored = text if raw else zstandard.compress(text)
    head = struct.pack("<4sIII", b"LMA1", 1, count, len(stored) | (raw << 31))
    body = head + stored + payloads
    return body + hashlib.sha256(body).digest()


def lma2(manifest: Any, payloads: bytes, *, raw: bool) -> bytes:
    text = json.dumps(manifest).encode()
    stored = text if raw else zstandard.compress(text)
    tail = struct.pack("<II4s", len(stored) | (raw << 31), len(manifest["files"]), b"LFT2")
    body = struct.pack("<4sI8x", b"LMA2", 2) + payloads + stored + tail
    return body + hashlib.sha256(body).digest()


# -- contents ---------------------------------------------------------------------------------------------


def test_every_entry_comes_back_exactly(tmp_path: Path) -> None:
    entries = [
        LmaEntry("chb01/chb01_01.lml", lml_bytes()),
        LmaEntry("meta.json", b'{"a": 1}'),
        LmaEntry("labels.csv", TEXT),
        LmaEntry("empty.txt", b""),
        LmaEntry("noise.bin", np.random.default_rng(0).bytes(5000)),
        LmaEntry("forced.txt", TEXT, method="store"),
        LmaEntry("Grüße/脳波.txt", b"x" * 300),
    ]
    opened = archive(tmp_path / "a.lma", *entries)
    assert opened.names == sorted(entry.name for entry in entries)
    assert {entry.name: opened.read(entry.name) for entry in entries} == {e.name: e.data for e in entries}
    methods = {name: item.method for name, item in opened.records.items()}
    assert methods["labels.csv"] == "zstd"
    assert methods["chb01/chb01_01.lml"] == methods["noise.bin"] == methods["forced.txt"] == "store"
    assert opened.records["labels.csv"].compressed_size < len(TEXT) / 10


def test_an_empty_archive_is_valid(tmp_path: Path) -> None:
    assert archive(tmp_path / "a.lma").names == []


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=8), st.binary(max_size=400), max_size=6))
def test_any_contents_come_back_and_the_order_given_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    directory = tmp_path_factory.mktemp("lma")
    entries = [LmaEntry(name, data) for name, data in files.items()]
    opened = archive(directory / "a.lma", *entries)
    assert {name: opened.read(name) for name in opened.names} == files
    write_lma(directory / "b.lma", entries[::-1])
    assert (directory / "a.lma").read_bytes() == (directory / "b.lma").read_bytes()


def test_an_lml_entry_returns_its_container_and_describes_the_original(tmp_path: Path) -> None:
    original = b"0       an EDF file"
    digest = hashlib.sha256(original).hexdigest()
    entry = LmaEntry("rec.edf", lml_bytes(), "lml", original_sha256=digest, original_size=len(original))
    opened = archive(tmp_path / "a.lma", entry)
    stated = opened.records["rec.edf"]
    assert (stated.method, stated.sha256, stated.original_size) == ("lml", digest, len(original))
    np.testing.assert_array_equal(decode_lml(opened.read("rec.edf")).digital, SIGNAL)


def test_the_layout_is_the_published_one(tmp_path: Path) -> None:
    path = tmp_path / "a.lma"
    archive(path, LmaEntry("b.txt", TEXT), LmaEntry("a.npz", b"PK raw"))
    data = path.read_bytes()
    magic, version, count, length = struct.unpack_from("<4sIII", data)
    assert (magic, version, count) == (b"LMA1", 1, 2)
    manifest = json.loads(zstandard.decompress(data[16 : 16 + length]))
    assert (manifest["compressor"], manifest["compressor_level"]) == ("zstd", 9)
    first, second = manifest["files"]
    assert set(first) == {"path", "original_size", "compressed_size", "method", "sha256", "offset"}
    payloads = data[16 + length : -32]
    assert payloads[: first["compressed_size"]] == b"PK raw"
    assert zstandard.decompress(payloads[second["offset"] :]) == TEXT
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


@pytest.mark.parametrize("raw", [True, False])
def test_older_manifests_and_the_streaming_layout_are_read(raw: bool) -> None:
    item = record("x.txt", b"hello")
    assert parse_lma(lma1([item], b"hello", raw=raw)).read("x.txt") == b"hello"
    assert parse_lma(lma2({"files": [item]}, b"hello", raw=raw)).read("x.txt") == b"hello"


# -- damage -----------------------------------------------------------------------------------------------


def test_an_archive_cut_or_altered_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.lma"
    write_lma(path, [LmaEntry("a.txt", TEXT), LmaEntry("b.lml", b"LML1....")])
    data = path.read_bytes()
    for at in range(len(data)):
        with pytest.raises(LmaError):
            parse_lma(data[:at])
        with pytest.raises(LmaError):
            parse_lma(data[:at] + bytes([data[at] ^ 1 << (at & 7)]) + data[at + 1 :])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LmaError, match=r"gone\.lma"):
        read_lma(tmp_path / "gone.lma")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=120), st.booleans(), st.integers(0, 3))
def test_any_sealed_manifest_is_read_or_refused(manifest: bytes, raw: bool, count: int) -> None:
    try:
        parse_lma(lma1(manifest, b"payload", raw=raw, count=count))
    except LmaError:
        return


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"sha256": "0" * 64}, "does not match"),
        ({"original_size": 4}, "does not match"),
        ({"method": "secondary"}, "'secondary' is not implemented"),
        ({"method": "lml"}, "not an LML1 container"),
        ({"method": "zstd"}, "damaged zstd"),
    ],
)
def test_reading_an_entry_that_contradicts_its_record_is_refused(change: dict[str, Any], text: str) -> None:
    opened = parse_lma(lma1([record("x", b"hello", **change)], b"hello"))
    with pytest.raises(LmaError, match=text):
        opened.read("x")
    with pytest.raises(LmaError, match="no entry 'y'"):
        opened.read("y")


def test_an_entry_that_inflates_beyond_its_stated_size_or_the_limit_is_stopped() -> None:
    bomb = zstandard.compress(bytes(50 << 20))
    item = record("x", bomb, method="zstd", original_size=1000)
    with pytest.raises(LmaError, match="more than 1000 bytes"):
        parse_lma(lma1([item], bomb)).read("x")
    item["original_size"] = 50 << 20
    with pytest.raises(LmaError, match="limit"):
        parse_lma(lma1([item], bomb)).read("x", limit=1 << 20)


@pytest.mark.parametrize(
    ("manifest", "count", "text"),
    [
        ([record("x", b"hello")], 2, "n_entries is 2"),
        ([record("x", b"hello"), record("x", b"")], 2, "twice"),
        ([record("x", b"hello"), record("y", b"hell", offset=1)], 2, "overlaps"),
        ([record("x", b"hello", offset=1)], 1, "payload bytes"),
        ([record("x", b"hello", offset=-1)], 1, "offset -1"),
        ([record("x", b"hello", offset=True)], 1, "offset True"),
        ([record("x", b"hello", original_size=1.5)], 1, "original_size"),
        ([record("x", b"hello", original_size=(16 << 30) + 1)], 1, "original_size"),
        ([record("x", b"hello", compressed_size=(4 << 30) + 1)], 1, "compressed_size"),
        ([record("x", b"hello", sha256="A" * 64)], 1, "sha256"),
        ([record(7, b"hello")], 1, "text"),
        ([{"path": "x"}], 1, "original_size"),
        (["x"], 1, "not an object"),
        ({"files": 3}, 1, "no list"),
        (b"{", 1, "JSON"),
        (b"[" * 100_000, 1, "JSON"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_field(manifest: Any, count: int, text: str) -> None:
    with pytest.raises(LmaError, match=text):
        parse_lma(lma1(manifest, b"hello", count=count))


def test_a_manifest_that_inflates_without_end_is_stopped() -> None:
    with pytest.raises(LmaError, match="manifest: more than 268435456 bytes"):
        parse_lma(lma1(b" " * (257 << 20)))


# -- names ------------------------------------------------------------------------------------------------

BAD_NAMES = [
    "", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "./a", "a/", "C:/x", "c:x",
    "\\\\host\\share", "a\\b",
    "a\0b", "a\nb", "a\x7fb", "file.txt:stream", "CON", "con.txt", "a/NUL", "Lpt1.lml", "com9", "COM¹.x",
    "aux .txt",
    "conin$", "name.", "name ", "dir./x", "a" * 256, "b/" * 2100 + "c",
    "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unsafe_names_are_refused_on_write_and_on_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(LmaError, match="name"):
        write_lma(tmp_path / "a.lma", [LmaEntry(name, b"x")])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LmaError, match="name"):
        parse_lma(lma1([record(name, b"x")], b"x"))


@pytest.mark.parametrize(
    "name", ["a", "a/b/c.lml", "..a", "a..b", ".hidden", "console.txt", "com10", "ñ/é", "a b.txt"]
)
def test_ordinary_names_are_accepted(tmp_path: Path, name: str) -> None:
    assert archive(tmp_path / "a.lma", LmaEntry(name, b"x")).read(name) == b"x"


# -- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([LmaEntry("a", b""), LmaEntry("a", b"")], "twice"),
        ([LmaEntry("a.edf", b"EDF", "lml", "0" * 64, 3)], "not an LML1 container"),
        ([LmaEntry("a.edf", b"LML1", "lml")], "original_sha256"),
        ([LmaEntry("a.edf", b"LML1", "lml", "zz", 3)], "sha256"),
        ([LmaEntry("a", b"abc", original_size=4)], "differ"),
    ],
)
def test_a_refused_entry_leaves_the_old_archive_and_nothing_else(
    tmp_path: Path, entries: list[LmaEntry], text: str
) -> None:
    path = tmp_path / "a.lma"
    write_lma(path, [LmaEntry("old", b"old")])
    with pytest.raises(LmaError, match=text):
        write_lma(path, entries)
    assert read_lma(path).read("old") == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.lma")
    (tmp_path / "b.lma").symlink_to("/dev/zero")
    for name in ("a.lma", "b.lma"):
        with pytest.raises(LmaError, match=r"cannot be read: .*no regular file"):
            read_lma(tmp_path / name)
