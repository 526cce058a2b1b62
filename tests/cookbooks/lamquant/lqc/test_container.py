"""What is written is read back, from anywhere of it; damage is told, and costs no more than it must."""

import io
import os
import signal
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cookbooks.lamquant.lqc.container import index, layout, records
from cookbooks.lamquant.lqc.container.header import Annotation, ChannelFacts, FileHeader, Gap, Group
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.lqc.errors import (
    ChunkError,
    FormatError,
    InputError,
    PayloadError,
    VersionError,
)
from cookbooks.lamquant.lqc.varint import put
from tests.cookbooks.lamquant.lqc.files import exact, lapped, payload, written

TWO = FileHeader((lapped(), exact()))
LONG = FileHeader((lapped(64 * 16 * 40),))


def test_each_chunk_is_read_from_a_path_and_from_bytes(tmp_path: Path) -> None:
    data = written(TWO)
    (tmp_path / "a.lqc").write_bytes(data)
    for file in (tmp_path / "a.lqc", str(tmp_path / "a.lqc"), data, memoryview(data)):
        with ChunkReader(file) as reader:
            assert reader.header == TWO and reader.verify() == []
            assert [reader.n_chunks(group) for group in (0, 1)] == [4, 4]
            for group, number in ((1, 3), (0, 0), (0, 3), (1, 0)):
                assert reader.chunk(group, number) == payload(group, number)


def test_a_bare_array_costs_little() -> None:
    header = FileHeader((lapped(290_000),))
    assert len(layout.pack(header)) <= 40
    chunks = header.groups[0].n_chunks(290_000)
    data = written(header, size=1500)
    copied = len(layout.pack(header))
    assert len(data) - 1500 * chunks <= 40 + 8 * chunks + 16 + copied <= len(data) / 150


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.lqc").write_bytes(written(LONG, size=4000))
    asked: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, n, at: asked.append(n) or pread(fd, n, at))
    reader = ChunkReader(tmp_path / "a.lqc")
    reader.chunk(0, 30)
    assert sum(asked) < 5000


def test_groups_interleave_by_time() -> None:
    places = {}
    data = written(TWO)
    for group in (0, 1):
        for number in range(4):
            places[group, number] = data.index(payload(group, number))
    # chunks begin at 0, 4, 8, 12 seconds, and at 0, 2.3, 4.7, 7.0
    order = [(0, 0), (1, 0), (1, 1), (0, 1), (1, 2), (1, 3), (0, 2), (0, 3)]
    assert sorted(places, key=lambda one: places[one]) == order


@pytest.mark.parametrize("total", [0, 1, 64, 900, 959, 960, 961, 1024, 4000])
def test_a_length_known_at_the_end_only_is_found_there(total: int) -> None:
    header = FileHeader((lapped(None), exact(None)))
    ended_by_chunks = written(header, (total or 1, total or 1))
    assert (
        ChunkReader(ended_by_chunks).n_samples(0) == (total or 1) == ChunkReader(ended_by_chunks).n_samples(1)
    )
    file = io.BytesIO()
    with Writer(file, header) as writer:
        for group in (0, 1):
            for number in range(header.groups[group].n_chunks(total)):
                writer.chunk(group, payload(group, number))
        writer.close([total, total])
    reader = ChunkReader(file.getvalue())
    assert [reader.n_samples(0), reader.n_samples(1)] == [total, total]
    assert reader.verify() == []
    for group in (0, 1):
        for number in range(reader.n_chunks(group)):
            assert reader.chunk(group, number) == payload(group, number)


def test_notes_that_come_later_are_with_those_of_the_beginning() -> None:
    header = FileHeader((exact(300),), (Gap(7, 1.5),), (Annotation(0.5, kind="a"),), {"x": 1})
    file = io.BytesIO()
    with Writer(file, header) as writer:
        writer.note([Gap(9, 2.0)])
        writer.chunk(0, b"x")
        writer.note(annotations=[Annotation(1.25, 3, "b")], facts={"y": [None, "z"]})
    read = ChunkReader(file.getvalue()).header
    assert read.gaps == (Gap(7, 1.5), Gap(9, 2.0)) and read.facts == {"x": 1, "y": [None, "z"]}
    assert read.annotations == (Annotation(0.5, kind="a"), Annotation(1.25, 3, "b"))
    assert read.seconds(0, 6) == 6 / 128 and read.seconds(0, 8) == 8 / 128 + 1.5
    assert read.seconds(0, 9) == 9 / 128 + 3.5


def test_text_of_annotations_needs_a_header_that_says_so() -> None:
    named = Annotation(1, None, "", "Anna moved")
    with pytest.raises(InputError, match="identity"):
        layout.pack(FileHeader((exact(),), annotations=(named,)))
    writer = Writer(io.BytesIO(), FileHeader((exact(),)))
    with pytest.raises(InputError, match="identity"):
        writer.note(annotations=[named])
    kept = FileHeader((exact(),), annotations=(named,), identity=True)
    assert layout.unpack(layout.pack(kept), 100).header == kept


# --- damage


def lost_chunks(reader: ChunkReader) -> set[tuple[int, int]]:
    return {(one.group, number) for one in reader.damaged() for number in range(one.chunk, one.end_chunk)}


@pytest.mark.parametrize("index_is_there", [True, False])
def test_a_flipped_byte_costs_one_chunk_at_most(index_is_there: bool) -> None:
    header = FileHeader((lapped(64 * 16 * 30), exact(300 * 20)))
    data = bytearray(written(header, size=900))
    assert len(layout.pack(header)) * 256 <= len(data), "long enough for a second header"
    if not index_is_there:
        data[-1] ^= 255
    for at in [*range(0, 99, 3), *range(99, len(data), 449), *range(len(data) - 90, len(data), 4)]:
        data[at] ^= 0x55
        reader = ChunkReader(data)
        lost = lost_chunks(reader)
        assert len(lost) <= 1, at
        assert reader.verify() != [], at
        for group, about in enumerate(header.groups):
            for number in range(about.n_chunks(reader.n_samples(group))):
                if (group, number) not in lost:
                    assert reader.chunk(group, number) == payload(group, number, 900)
        data[at] ^= 0x55


def test_a_cut_file_gives_what_is_before_the_cut() -> None:
    whole = written(LONG, size=100)
    size = len(layout.pack(LONG))
    for cut in range(size, len(whole) - 60, 37):
        reader = ChunkReader(whole[:cut])
        there = (cut - size) // 106
        assert lost_chunks(reader) == {(0, number) for number in range(there, 41)}
        assert reader.problems and reader.n_samples(0) == 64 * 16 * 40


def test_two_damaged_chunks_and_a_missing_index_do_not_shift_the_others() -> None:
    """A chunk says nowhere which one it is, and is not taken for another all the same."""
    data = bytearray(written(LONG, size=100))
    size = len(layout.pack(LONG))
    data[size + 106 * 5] ^= 4
    data[size + 106 * 6] ^= 255
    reader = ChunkReader(data[:-60])
    assert lost_chunks(reader) == {(0, 5), (0, 6)}
    assert reader.chunk(0, 7) == payload(0, 7, 100)


def test_chunks_that_changed_places_are_damaged() -> None:
    data = written(LONG, size=100)
    size = len(layout.pack(LONG))
    one, other = (data[size + 106 * i : size + 106 * (i + 1)] for i in (3, 9))
    swapped = data[: size + 318] + other + data[size + 424 : size + 954] + one + data[size + 1060 :]
    assert len(swapped) == len(data)
    assert lost_chunks(ChunkReader(swapped)) == {(0, 3), (0, 9)}


def test_what_is_lost_is_told_in_samples_and_seconds() -> None:
    header = FileHeader((lapped(64 * 16 * 5),), (Gap(1500, 100.0),))
    data = bytearray(written(header))
    data[data.index(payload(0, 1)) + 3] ^= 1
    (lost,) = ChunkReader(data).damaged()
    assert (lost.chunk, lost.end_chunk) == (1, 2)
    # frames 16 to 31, and each covers a hop before it and one after it
    assert (lost.sample, lost.end_sample) == (15 * 64, 32 * 64)
    assert (lost.start_s, lost.end_s) == (15 * 64 / 256, 32 * 64 / 256 + 100)
    with pytest.raises(ChunkError, match="group 0, chunk 1: its checksum"):
        ChunkReader(data).chunk(0, 1)


def test_a_damaged_header_is_read_from_its_copy() -> None:
    long = bytearray(written(LONG, size=1000))
    for at in range(len(layout.pack(LONG)) - 2):
        long[at : at + 3] = bytes(255 - byte for byte in long[at : at + 3])
        reader = ChunkReader(long)
        assert reader.header == LONG and reader.damaged() == []
        assert "second one" in reader.verify()[0]
        long[at : at + 3] = bytes(255 - byte for byte in long[at : at + 3])
    long[-10] ^= 1
    assert ChunkReader(long).verify() == ["the second header, at the end, is damaged"]


def test_one_wrong_byte_of_a_header_is_mended_and_two_are_refused() -> None:
    short = bytearray(written(TWO))
    for at in range(len(layout.pack(TWO))):
        short[at] ^= 1 + at * 37 % 255
        reader = ChunkReader(short)
        assert reader.header == TWO and reader.damaged() == []
        (said,) = reader.verify()
        assert said.endswith("the one byte that was wrong was found by the checksum")
        other = (at + 5) % 40
        short[other] ^= 1
        with pytest.raises(FormatError):
            ChunkReader(short)
        short[at] ^= 1 + at * 37 % 255
        short[other] ^= 1


# --- what is not believed


def forged(header: bytes, at: int, value: bytes) -> bytes:
    body = header[:at] + value + header[at + len(value) : -4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def test_a_later_version_is_refused_with_a_sentence() -> None:
    with pytest.raises(VersionError, match="version is 3, and this reader knows 2: use a newer one"):
        ChunkReader(forged(layout.pack(TWO), 4, b"\x03"))
    with pytest.raises(FormatError, match="flags 0x80"):
        ChunkReader(forged(layout.pack(TWO), 5, b"\x80"))
    with pytest.raises(FormatError, match="magic is b'BLQ1'"):
        ChunkReader(forged(layout.pack(TWO), 0, b"BLQ1"))


def test_more_than_the_bytes_can_stand_for_is_refused() -> None:
    one = exact(2**27, 2)
    assert ChunkReader(layout.pack(FileHeader((one,)))).n_samples(0) == 2**27
    with pytest.raises(FormatError, match="536870914 values are declared in"):
        ChunkReader(layout.pack(FileHeader((exact(2**28 + 1, 2),))))
    with pytest.raises(FormatError, match="values are declared"):
        ChunkReader(layout.pack(FileHeader((exact(2**27 + 2**20, 1), exact(2**27 + 2**20, 1)))))


def test_a_length_that_is_told_at_the_end_is_bounded_alike() -> None:
    file = io.BytesIO()
    with Writer(file, FileHeader((Group(256, (ChannelFacts(),), "exact", 2**22),))) as writer:
        for _ in range(80):
            writer.chunk(0, b"")
        writer.close([80 * 2**22])
    with pytest.raises(FormatError, match="335544320 values are declared"):
        ChunkReader(file.getvalue())


def test_a_length_that_does_not_end_in_the_last_chunk_is_not_believed() -> None:
    total = bytearray()
    put(total, 5000)
    data = layout.pack(FileHeader((exact(None),)))
    data += records.pack(records.kind_of(0, False), 0, b"x", 1)
    data += records.pack(records.kind_of(0, True), 1, bytes(total), 1)
    reader = ChunkReader(data)
    assert reader.n_samples(0) == 600 and reader.chunk(0, 0) == b"x"
    assert reader.problems[-1] == "group 0: how many samples it has is lost with its end"


def test_text_that_would_fill_the_memory_is_refused() -> None:
    body = layout.pack(FileHeader((exact(),)))[7:-4]
    packer = zlib.compressobj(9, wbits=-15)
    bomb = body + packer.compress(b'{"facts":{"a":"' + b" " * 2**26 + b'"}}') + packer.flush()
    out = bytearray(b"BLQ2\x02\x00")
    put(out, len(bomb))
    out += bomb
    tracemalloc.start()
    with pytest.raises(FormatError, match="do not inflate to one text of at most"):
        ChunkReader(bytes(out) + zlib.crc32(out).to_bytes(4, "little"))
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


# --- writing


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda w: w.chunk(2, b""), "group 2 is not one of the 2"),
        (lambda w: [w.chunk(1, b"") for _ in range(5)], "group 1 has all its 4 chunks"),
        (lambda w: w.chunk(0, b"", 3999), "4000 samples by the header, not 3999"),
        (lambda w: w.close(), "group 0 has 0 chunks, and 4000 samples need more"),
        (lambda w: w.note([Gap(3, -1.0)]), "seconds is -1.0"),
        (lambda w: w.note(facts={"a": {1, 2}}), "not JSON"),
    ],
)
def test_what_cannot_be_right_is_refused_while_writing(
    break_it: Callable[[Writer], None], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.lqc").write_bytes(b"older")
    with pytest.raises(InputError, match=said), Writer(tmp_path / "a.lqc", TWO) as writer:
        break_it(writer)
    assert (tmp_path / "a.lqc").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.lqc"]


def test_a_total_must_end_where_the_chunks_do() -> None:
    for total in (300, 601):
        writer = Writer(io.BytesIO(), FileHeader((exact(None),)))
        writer.chunk(0, b"")
        with pytest.raises(InputError, match=f"{total} samples"):
            writer.chunk(0, b"x", total)
    writer = Writer(io.BytesIO(), FileHeader((exact(None),)))
    writer.chunk(0, b"", 300)
    with pytest.raises(InputError, match="all its 1 chunks"):
        writer.chunk(0, b"")


def test_a_killed_writer_leaves_no_file_at_the_place(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal\n"
        "from tests.cookbooks.lamquant.lqc.test_container import *\n"
        "w = Writer(sys.argv[1], TWO); w.chunk(0, bytes(100))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.lqc")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.lqc").exists()


def test_a_file_object_is_only_written_to() -> None:
    class Pipe(io.RawIOBase):
        got = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.got += data
            return len(data)

    pipe = Pipe()
    with Writer(pipe, FileHeader((exact(300),))) as writer:  # type: ignore[arg-type]
        writer.chunk(0, b"abc")
    assert not pipe.closed and ChunkReader(pipe.got).chunk(0, 0) == b"abc"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate_hz": float("inf")}, "group 0: rate_hz is inf"),
        ({"hop": 48}, "hop is 48, and must be a power of two"),
        ({"digest": b"x"}, "digest has 1 bytes, and must have 8"),
        ({"per_chunk": 2**20}, "per_chunk is 1048576, and must be in 1..65536"),
        ({"channels": ()}, "channels is 0"),
        ({"channels": (ChannelFacts(dc=5, low=6, high=7),)}, "channel 0: low 6, dc 5, high 7"),
        ({"channels": (ChannelFacts(physical_min=1.0),)}, "four finite numbers, or none"),
    ],
)
def test_a_header_that_cannot_be_read_back_is_not_written(change: dict[str, object], said: str) -> None:
    group = Group(**{**vars(lapped()), **change})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        layout.pack(FileHeader((group,)))


def test_a_chunk_that_no_reader_would_take_is_not_written() -> None:
    writer = Writer(io.BytesIO(), FileHeader((exact(300),)))
    with pytest.raises(InputError, match="a chunk of 33554432 bytes is too long"):
        writer.chunk(0, bytes(records.MAX_RECORD))
    head = bytearray()
    records.put_head(head, 2, records.MAX_RECORD + 1, 1)
    with pytest.raises(PayloadError, match="length of a record is 33554433"):
        records.take_head(head, 0, 1)


def test_an_index_that_lies_is_not_followed() -> None:
    """With a right checksum, but records that do not fill the place: they are found by walking."""
    data = written(TWO)
    size = len(layout.pack(TWO))
    heads = bytearray()
    records.put_head(heads, records.kind_of(0, False), 2**20, 2)
    reader = ChunkReader(data[:-60] + index.with_trailer(index.pack(bytes(heads), 2)))
    assert "found one by one" in reader.problems[0]
    assert reader.chunk(0, 0) == payload(0, 0) and size < len(data)
