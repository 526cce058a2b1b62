"""Small ``.lqc`` files of opaque chunks, for the tests of the container."""

import io
from collections.abc import Sequence

from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Group
from cookbooks.lamquant.lqc.container.writer import Writer

DIGEST = b"checkpnt"


def lapped(n_samples: int | None = 4000, channels: int = 1, rate_hz: float = 256, hop: int = 64) -> Group:
    """A group whose chunks are 16 frames."""
    each = tuple(ChannelFacts(dc=-3, low=-32768, high=32767) for _ in range(channels))
    return Group(rate_hz, each, "lapped", 16, n_samples, hop, "full", DIGEST)


def exact(n_samples: int | None = 1000, channels: int = 2, rate_hz: float = 128) -> Group:
    """A group whose chunks are 300 samples."""
    return Group(rate_hz, tuple(ChannelFacts() for _ in range(channels)), "exact", 300, n_samples)


def payload(group: int, number: int, size: int = 40) -> bytes:
    """Bytes that no other chunk has, and that look like nothing."""
    state, out = 977 * group + number + 1, bytearray()
    for _ in range(size):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state >> 16 & 255)
    return bytes(out)


def written(header: FileHeader, totals: Sequence[int] | None = None, size: int = 40) -> bytes:
    """A file with all the chunks of a header; ``totals`` are the samples of groups that leave them open."""
    file = io.BytesIO()
    writer = Writer(file, header)
    known = [g.n_samples if g.n_samples is not None else totals[i] for i, g in enumerate(header.groups)]
    numbers = [0] * len(known)
    while (group := writer.due()) is not None:
        number, about = numbers[group], header.groups[group]
        last = number + 1 == about.n_chunks(known[group])
        writer.chunk(group, payload(group, number, size), known[group] if last else None)
        numbers[group] += 1
    writer.close()
    return file.getvalue()
