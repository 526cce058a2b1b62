"""Reads from a file how fine each of its frames is; no model is needed, and nothing is decoded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import offsets_in
from cookbooks.lamquant.lqc.container.header import Group
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.errors import ChunkError, PayloadError
from cookbooks.lamquant.lqc.group_decoder import KeptChunks
from cookbooks.lamquant.lqc.jumps import Baseline, unpack_jumps
from cookbooks.lamquant.lqc.lapped import n_frames
from cookbooks.lamquant.lqc.varint import Cursor


@dataclass(frozen=True)
class FrameOffsets:
    """Holds how fine each frame of a group is.

    Attributes:
        hop: samples from one frame to the next.
        rate_hz: samples a second.
        n_samples: of each channel.
        finer: by how many quarter octaves the steps of a frame are finer than a channel's, int8 [F].
    """

    hop: int
    rate_hz: float
    n_samples: int
    finer: NDArray[np.int8]

    def follows(self, course: Course) -> NDArray[np.bool_]:
        """Says of each frame [F] whether it is as fine as a course asks."""
        return self.finer == course.of_frames(0, len(self.finer), self.hop, self.rate_hz)

    def seconds(self) -> NDArray[np.float64]:
        """Returns how much of the recording begins with each frame, [F]: what a share of time is made of."""
        edges = np.clip((np.arange(len(self.finer) + 1) - 0.5) * self.hop, 0, self.n_samples) / self.rate_hz
        return edges[1:] - edges[:-1]


def frame_offsets(reader: KeptChunks, number: int) -> FrameOffsets | None:
    """Returns how fine the frames of a group of a file are; None of one that is coded exactly, or still.

    Raises:
        ChunkError: a chunk is damaged; the message says which.
    """
    group, n_samples = reader.header.groups[number], reader.n_samples(number)
    moving = sum(channel.low != channel.high for channel in group.channels)
    if group.mode == "exact" or not moving or not n_samples:
        return None
    frames, found = n_frames(n_samples, group.hop), list[NDArray[np.int8]]()
    for chunk in range(-(-frames // group.per_chunk)):
        try:
            found.append(_of_chunk(reader.chunk(number, chunk), group, chunk, n_samples, moving))
        except PayloadError as error:
            raise ChunkError(number, chunk, str(error)) from error
    return FrameOffsets(group.hop, group.rate_hz, n_samples, np.concatenate(found))


def _of_chunk(data: bytes, group: Group, chunk: int, n_samples: int, moving: int) -> NDArray[np.int8]:
    first, end = group.frames(chunk, n_samples)
    if group.profile == "full":
        cursor = Cursor(data)
        start, stop = Baseline(group.per_chunk * group.hop, n_samples).samples_of(chunk)
        unpack_jumps(cursor, moving, stop - start)
        data = cursor.rest()
    return offsets_in(data, moving, end - first)
