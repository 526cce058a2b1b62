"""A stream is decoded as it comes: each chunk gives its samples, the same ones that the whole file gives."""

import io
import os

import numpy as np
import pytest

from bench.lqc_files import made_model, small_files
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.errors import ModelError
from cookbooks.lamquant.lqc.group_decoder import GroupDecoder
from cookbooks.lamquant.lqc.live import LiveDecoder, LiveStretch
from cookbooks.lamquant.lqc.parallel import Workers

FILES = small_files(made_model())


def whole(data: bytes, group: int) -> np.ndarray:
    reader = ChunkReader(data)
    decoder = GroupDecoder(reader, group, made_model(), "mark")
    return decoder.read(0, reader.n_samples(group), Workers(1))


@pytest.mark.parametrize("kind", FILES)
def test_stretches_are_those_of_the_whole_file_and_follow_each_other(kind: str) -> None:
    data = FILES[kind]
    live = LiveDecoder(io.BytesIO(data), made_model())
    found = list(live)
    assert live.complete
    for group in range(len(live.header.groups)):
        mine = [one for one in found if one.group == group]
        assert len(mine) == ChunkReader(data).n_chunks(group)
        assert [one.start for one in mine[1:]] == [one.start + one.samples.shape[1] for one in mine[:-1]]
        np.testing.assert_array_equal(np.concatenate([one.samples for one in mine], 1), whole(data, group))


def test_a_lost_chunk_leaves_a_hole_as_long_as_its_frames() -> None:
    data = bytearray(FILES["lapped full"])
    content = ChunkReader(bytes(data)).chunk(0, 1)
    data[data.index(content) + 5] ^= 1
    live = LiveDecoder(io.BytesIO(data), made_model())
    found, expected = list(live), whole(bytes(data), 0)
    # frames 10 to 19 of hop 32 are lost
    assert [(one.start, one.start + one.samples.shape[1]) for one in found] == [
        (0, 9 * 32),
        (20 * 32, 29 * 32),
        (29 * 32, 1000),
    ]
    assert not live.complete
    for one in found:
        np.testing.assert_array_equal(one.samples, expected[:, one.start : one.start + one.samples.shape[1]])


def test_samples_are_there_before_the_next_chunk_is() -> None:
    data = FILES["exact"]
    ours, theirs = os.pipe()
    reader = ChunkReader(data)
    content = reader.chunk(0, 0)
    end = data.index(content) + len(content) + 4
    os.write(theirs, data[:end])
    with os.fdopen(ours, "rb") as pipe:
        live = iter(LiveDecoder(pipe))
        first = next(live)
        assert isinstance(first, LiveStretch) and (first.start, first.samples.shape) == (0, (3, 150))
        os.write(theirs, data[end:])
        os.close(theirs)
        rest = list(live)
    together = np.concatenate([one.samples for one in (first, *rest)], 1)
    np.testing.assert_array_equal(together, Decoder(data).read_all())


def test_another_model_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="give that checkpoint"):
        LiveDecoder(io.BytesIO(FILES["lapped full"]))
