"""Recordings are written and read a window at a time: the same bytes and samples, in bounded memory."""

import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.formats import corpus as corpus_module
from cookbooks.lamquant.formats.corpus import INDEX, Corpus, CorpusError, open_corpus
from cookbooks.lamquant.formats.extent import Extent, extent_of_bytes, extent_of_file
from cookbooks.lamquant.formats.lma.archive import LmaError, read_lma
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml import digest as lml_digest
from cookbooks.lamquant.formats.lml import writer as lml_writer
from cookbooks.lamquant.formats.lml.container import (
    CrcMismatch,
    LmlReader,
    LmlWriter,
    NotBitExact,
    SignalDigest,
    encode_lml,
    signal_sha256,
)
from tests.cookbooks.lamquant.split_corpora import Source, write_corpus

RATE = 250.0


def walk(channels: int, samples: int, seed: int = 0, step: int = 40) -> np.ndarray:
    steps = np.random.default_rng(seed).integers(-step, step + 1, (channels, samples))
    return np.clip(steps.cumsum(axis=1), -30_000, 30_000).astype(np.int32)


@pytest.mark.parametrize("size", [1, 7, 2499, 2500, 2501, 5000, 100_000])
def test_blocks_of_any_size_give_the_bytes_of_the_whole(tmp_path: Path, size: int) -> None:
    x = walk(3, 5600 if size > 1 else 40)
    with (tmp_path / "x.lml").open("wb") as file:
        writer = LmlWriter(file, *x.shape, RATE, bit_depth=16, metadata={"a": 1}, proved=True)
        digest = SignalDigest(3)
        for at in range(0, x.shape[1], size):
            writer.write(x[:, at : at + size])
            digest.update(x[:, at : at + size])
        writer.finish(digest.hexdigest())
    expected = encode_lml(x, RATE, bit_depth=16, metadata={"a": 1})
    assert (tmp_path / "x.lml").read_bytes() == expected


def test_a_digest_is_the_same_from_memory_and_from_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = walk(5, 4000).astype(np.int64)
    x[2, 1500] = 40_000  # a wider word for one stretch only
    x[4, 3000] = 1 << 40
    monkeypatch.setattr(lml_digest, "IN_MEMORY", 10_000)
    digest = SignalDigest(5, tmp_path)
    for at in range(0, 4000, 300):
        digest.update(x[:, at : at + 300])
    assert digest.hexdigest() == signal_sha256(x)
    assert list(tmp_path.iterdir()) == []


def test_more_or_fewer_samples_than_announced_are_refused(tmp_path: Path) -> None:
    for samples in (99, 101):
        with (tmp_path / "x.lml").open("wb") as file:
            writer = LmlWriter(file, 1, 100, RATE, bit_depth=16, metadata={})
            with pytest.raises(ValueError, match=f"{samples} samples, 100 were announced"):
                writer.write(walk(1, samples))
                writer.finish("0" * 64)


def test_a_window_that_does_not_decode_to_its_samples_ends_the_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = lml_writer.encode_packet
    monkeypatch.setattr(lml_writer, "encode_packet", lambda window, **how: honest(window + 1, **how))
    with (tmp_path / "x.lml").open("wb") as file, pytest.raises(NotBitExact, match="window 0"):
        LmlWriter(file, 1, 100, RATE, bit_depth=16, metadata={}, proved=True).write(walk(1, 100))


def test_any_stretch_of_any_channels_is_read_and_only_its_windows_are_touched() -> None:
    x = walk(4, 9000)
    data = encode_lml(x, RATE, bit_depth=16, metadata={}, window_s=1.0)
    touched: list[tuple[int, int]] = []
    whole = extent_of_bytes(data)

    def watched(count: int, at: int) -> bytes:
        touched.append((at, count))
        return whole.read(at, count)

    reader = LmlReader(Extent(watched, 0, len(data)))
    for start, stop in ((0, 1), (249, 251), (0, 9000), (8999, 9000), (400, 400), (8000, 20_000), (-5, 10)):
        np.testing.assert_array_equal(reader.read(start, stop), x[:, max(0, start) : stop])
    np.testing.assert_array_equal(reader.read(100, 900, [3, 1]), x[[3, 1], 100:900])
    opened = LmlReader(Extent(watched, 0, len(data)))
    touched.clear()
    opened.read(500, 750)
    assert len(touched) == 1 and touched[0][1] < len(data) / 30
    opened.read(600, 700)
    assert len(touched) == 1, "the window that was decoded last is kept"


def test_damage_is_found_where_it_is_read() -> None:
    x = walk(2, 5000)
    data = bytearray(encode_lml(x, RATE, bit_depth=16, metadata={}, window_s=1.0))
    data[len(data) // 2] ^= 1
    reader = LmlReader(extent_of_bytes(bytes(data)))
    np.testing.assert_array_equal(reader.read(0, 250), x[:, :250])
    with pytest.raises(CrcMismatch, match="window"):
        reader.read(0, 5000)


def test_an_archive_is_written_from_a_file_and_read_where_it_lies_without_taking_it_into_memory(
    tmp_path: Path,
) -> None:
    payload = b"LML1" + np.random.default_rng(0).bytes(24 << 20)
    (tmp_path / "x.lml").write_bytes(payload)
    write_lma(tmp_path / "memory.lma", [LmaEntry("x.lml", payload), LmaEntry("meta.json", b"{}")])
    tracemalloc.start()
    try:
        write_lma(
            tmp_path / "file.lma", [LmaEntry("x.lml", tmp_path / "x.lml"), LmaEntry("meta.json", b"{}")]
        )
        stored = read_lma(tmp_path / "file.lma").extent("x.lml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert (tmp_path / "file.lma").read_bytes() == (tmp_path / "memory.lma").read_bytes()
    (tmp_path / "file.lma").unlink()
    assert stored.size == len(payload) and stored.read(1 << 20, 100) == payload[1 << 20 :][:100]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memory.lma", "x.lml"]


def test_an_extent_does_not_lead_out_of_itself(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    part = extent_of_file(tmp_path / "x").part(10, 20).part(5, 1000)
    assert (part.size, part.read(0, 99), part.read(20, 5)) == (15, bytes(range(15, 30)), b"")


def test_a_corpus_parses_its_index_and_verifies_an_archive_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {f"s{n}": Source(f"p{n}", walk(2, 1000, n)) for n in range(5)}
    directory = write_corpus(tmp_path / "corpus", sources)
    parsed, verified = [], []
    real_index, real_lma = corpus_module.read_index, corpus_module.read_lma
    monkeypatch.setattr(corpus_module, "read_index", lambda *a: parsed.append(a) or real_index(*a))
    monkeypatch.setattr(corpus_module, "read_lma", lambda path: verified.append(path) or real_lma(path))
    corpus = Corpus(directory)
    for _ in range(2):
        for stem, source in sources.items():
            stored = corpus.open(stem)
            np.testing.assert_array_equal(stored.read(100, 300), source.digital[:, 100:300])
            np.testing.assert_array_equal(np.hstack(list(stored.blocks(333))), source.digital)
    assert (len(parsed), len(verified)) == (1, 5)


def test_archives_outside_of_the_corpus_and_bare_containers_are_read(tmp_path: Path) -> None:
    x = {"a": walk(2, 900, 1), "b": walk(2, 900, 2)}
    directory = write_corpus(
        tmp_path / "corpus", {stem: Source(stem, digital) for stem, digital in x.items()}
    )
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    write_lma(
        outside / "many.lma",
        [LmaEntry("dir/one.lml", encode_lml(x["a"], RATE, bit_depth=16, metadata={})), LmaEntry("n", b"x")],
    )
    (outside / "deep/b.lml").write_bytes(encode_lml(x["b"], RATE, bit_depth=16, metadata={}))
    index = json.loads((directory / INDEX).read_text())
    index["recordings"][0] |= {"source": "mine", "archive": "many.lma", "entry": "dir/one.lml"}
    index["recordings"][1] |= {"source": "mine", "archive": "deep/b.lml", "entry": None}
    (directory / INDEX).write_text(json.dumps(index))
    shutil.rmtree(directory / "archives")
    corpus = open_corpus({"corpus": directory, "source_mine": outside})
    for stem, digital in x.items():
        np.testing.assert_array_equal(corpus.open(stem).digital, digital)
    with pytest.raises(CorpusError, match="lies in the source 'mine', which was not given"):
        Corpus(directory).open("a")
    (outside / "deep/b.lml").write_bytes(encode_lml(x["a"], RATE, bit_depth=16, metadata={}))
    with pytest.raises(CorpusError, match="samples differ from those encoded"):
        open_corpus({"corpus": directory, "source_mine": outside}).open("b")
    (outside / "deep/b.lml").unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        open_corpus({"corpus": directory, "source_mine": outside}).open("b")
    with pytest.raises(LmaError, match="method"):
        read_lma(outside / "many.lma").extent("n")
