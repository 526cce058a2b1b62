"""A stream is read as it comes: a chunk is there before the next one is, and damage is passed over."""

import io
import os
import threading

import pytest

from cookbooks.lamquant.lqc.container import layout
from cookbooks.lamquant.lqc.container.header import Annotation, FileHeader
from cookbooks.lamquant.lqc.container.stream import ChunkStream
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.lqc.errors import FormatError
from tests.cookbooks.lamquant.lqc.files import exact, lapped, payload, written

TWO = FileHeader((lapped(64 * 16 * 20), exact(None)))


def numbers(stream: ChunkStream) -> list[tuple[int, int]]:
    found = []
    for one in stream:
        assert one.data == payload(one.group, one.chunk)
        found.append((one.group, one.chunk))
    return found


def test_a_chunk_is_there_before_the_next_one_is() -> None:
    ours, theirs = os.pipe()
    header = FileHeader((exact(None),))
    go, failed = threading.Event(), []

    def write() -> None:
        with os.fdopen(theirs, "wb", buffering=0) as pipe, Writer(pipe, header) as writer:  # type: ignore[arg-type]
            for number in range(3):
                writer.chunk(0, b"%d" % number)
                if not go.wait(20):
                    failed.append(number)
                go.clear()
            writer.note(annotations=[Annotation(2.0, kind="end")])
            writer.close([900])

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(ours, "rb") as pipe:
        stream = ChunkStream(pipe)
        for one, number in zip(stream, range(3), strict=False):
            assert (one.chunk, one.data, one.n_samples) == (number, b"%d" % number, None)
            go.set()
        assert list(stream) == [] and stream.complete
        thread.join()
    assert failed == [] and stream.header.annotations == (Annotation(2.0, kind="end"),)


def test_what_is_damaged_is_passed_over() -> None:
    data = bytearray(written(TWO, (0, 1500)))
    everything = numbers(ChunkStream(io.BytesIO(data)))
    assert sorted(everything) == [*((0, i) for i in range(21)), *((1, i) for i in range(5))]
    for at in range(len(data) - 200, len(layout.pack(TWO)), -31):
        data[at] ^= 0x91
        stream = ChunkStream(io.BytesIO(data))
        got = numbers(stream)
        assert len(everything) - len(got) == 1 and set(got) < set(everything)
        assert not stream.complete
        data[at] ^= 0x91


def test_a_stream_that_breaks_off_is_not_complete() -> None:
    data = written(TWO, (0, 1500))
    stream = ChunkStream(io.BytesIO(data[:400]))
    assert len(numbers(stream)) > 3 and not stream.complete
    with pytest.raises(FormatError, match="the file ends after 20"):
        ChunkStream(io.BytesIO(data[:20]))
    for cut in range(20):
        with pytest.raises(FormatError):
            ChunkStream(io.BytesIO(data[:cut]))
    with pytest.raises(FormatError, match="length of the header runs past the end"):
        ChunkStream(io.BytesIO(data[:6] + b"\x80"))


def test_the_last_chunk_says_how_long_it_was() -> None:
    told = [one.n_samples for one in ChunkStream(io.BytesIO(written(TWO, (0, 1500)))) if one.group == 1]
    assert told == [None, None, None, None, 1500]


def test_nothing_is_held_that_was_handed_on() -> None:
    import tracemalloc

    header = FileHeader((exact(300 * 400),))
    data = io.BytesIO(written(header, size=20_000))
    tracemalloc.start()
    assert sum(len(one.data) for one in ChunkStream(data)) == 400 * 20_000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
