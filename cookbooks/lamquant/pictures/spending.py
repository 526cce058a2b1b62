"""Draws where the bits of a recording go: signal, states and kilobits a second, below what was marked."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.adaptive.codec import FollowingCodec
from cookbooks.lamquant.formats.corpus import StoredRecording
from cookbooks.lamquant.labels.frames import runs
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.pictures.states import DrawnStates, draw_states


def draw_spending(
    codec: FollowingCodec, recordings: Mapping[str, StoredRecording], labels: Mapping[str, NDArray[np.uint8]]
) -> bytes:
    """Returns a PNG of the recording with the most critical events, encoded along its states."""
    stem = max(recordings, key=lambda one: (len(runs(labels[one], SEEN_CRITICAL)), one))
    recording = recordings[stem]
    scores = codec.scores(recording)
    states = codec.states(scores)
    digital = recording.digital
    channel = int(np.argmax(digital.std(axis=1) * recording.scale))
    return draw_states(
        DrawnStates(
            stem,
            recording.channels[channel],
            digital[channel] * recording.scale[channel] + recording.offset[channel],
            recording.rate_hz,
            labels[stem],
            states,
            scores,
            (codec.point.critical, codec.point.maybe),
            codec.controller.frame_ms,
            spent(codec.encode(recording, states)),
        )
    )


def spent(data: bytes | Path) -> NDArray[np.float64]:
    """Returns where each chunk of a file begins, in seconds, and its kilobits a second, [chunks, 2]."""
    reader = ChunkReader(data)
    group, n_samples = reader.header.groups[0], reader.n_samples(0)
    rows = []
    for chunk in range(reader.n_chunks(0)):
        first, end = group.frames(chunk, n_samples)
        seconds = (end - first) * group.hop / group.rate_hz
        begin = max(first - 1, 0) * group.hop / group.rate_hz
        rows.append((begin, 8e-3 * len(reader.chunk(0, chunk)) / seconds))
    return np.array(rows).reshape(-1, 2)
