"""Says what a bitstream file holds, of any version of the codec, without decoding a sample."""

from dataclasses import dataclass
from pathlib import Path

from cookbooks.lamquant.codec.v1.bitstream import CODER_JOINT, DIGEST_BYTES, MAGIC, BitstreamError, unpack
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.plan import placed_in

__all__ = ["DIGEST_BYTES", "NotSound", "StreamFacts", "stream_facts"]


class NotSound(ValueError):
    """Says that a file is not a bitstream, or that a byte of it is damaged."""


@dataclass(frozen=True)
class StreamFacts:
    """Holds channels and samples of the one rate of a file, and the models that it names."""

    shape: tuple[int, int]
    rate_hz: float
    models: frozenset[bytes | None]


def stream_facts(path: Path) -> StreamFacts:
    """Returns what a file holds; every checksum in it is looked at.

    Raises:
        NotSound: any of its bytes cannot be believed, or it holds several rates.
    """
    data = path.read_bytes()
    try:
        return _first(data) if data[:4] == MAGIC else _chunked(data)
    except (BitstreamError, LqcError) as error:
        raise NotSound(str(error)) from error


def _first(data: bytes) -> StreamFacts:
    stream = unpack(data)
    model = stream.digest if stream.coder == CODER_JOINT else None
    return StreamFacts((len(stream.channels), stream.n_samples), stream.rate_hz, frozenset({model}))


def _chunked(data: bytes) -> StreamFacts:
    with ChunkReader(data) as reader:
        if damage := reader.verify():
            raise NotSound("; ".join(damage[:3]))
        groups, placed = reader.header.groups, placed_in(reader.header.groups, reader.header.facts)
        lengths = {reader.n_samples(number) for number in range(len(groups))}
        if {one.signal for one in placed} != {0} or len(lengths) != 1:
            raise NotSound("it holds several signals, and a recording is one")
        n_channels = sum(len(group.channels) for group in groups)
        models = frozenset(group.digest for group in groups if group.mode == "lapped")
        return StreamFacts((n_channels, lengths.pop()), groups[0].rate_hz, models)
