"""Damaged and forged ``.lqc`` files, made of valid ones; what a number gives is always the same."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cookbooks.lamquant.lqc.container import index, layout, records, text
from cookbooks.lamquant.lqc.container.source import ByteSource
from cookbooks.lamquant.lqc.container.walk import ByteWindow, Walk
from cookbooks.lamquant.lqc.varint import Cursor, put


@dataclass
class Parts:
    """A valid file, taken apart: its header, and kind and content of each record before the index."""

    header: bytes
    n_groups: int
    records: list[tuple[int, bytes]]


def taken_apart(data: bytes) -> Parts:
    """The parts of a valid file."""
    parsed = layout.unpack(data, len(data))
    n_groups = len(parsed.header.groups)
    walked = list(Walk(ByteWindow(ByteSource(data)), parsed.size, n_groups))
    return Parts(data[: parsed.size], n_groups, [(one.head.kind, bytes(one.content)) for one in walked[:-1]])


def put_together(parts: Parts) -> bytes:
    """A file of these parts, with every checksum right."""
    out, heads, numbers = bytearray(parts.header), bytearray(), dict[int, int]()
    for kind, content in parts.records:
        slot = records.Head(kind, 0, 0).slot
        number = numbers.get(slot, 0)
        numbers[slot] = number + 1
        records.put_head(heads, kind, len(content), parts.n_groups)
        out += records.pack(kind, number, content, parts.n_groups)
    return bytes(out) + index.with_trailer(index.pack(bytes(heads), parts.n_groups))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bytes with one to eight bits flipped, cut, some inserted, removed, repeated or overwritten."""
    out = bytearray(data)
    a, b = sorted((rng.randrange(len(out) + 1), rng.randrange(len(out) + 1)))
    b = min(b, a + rng.choice([1, 4, 40, len(out)]))
    match rng.randrange(6):
        case 0 | 1:
            for _ in range(rng.randint(1, 8)):
                if out:
                    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        case 2:
            out[a:] = b""
        case 3:
            out[a:a] = rng.choice([rng.randbytes(rng.randint(1, 40)), bytes(out[a:b])])
        case 4:
            out[a:b] = b""
        case _:
            out[a:b] = bytes([rng.choice([0, 255, rng.randrange(256)])]) * (b - a)
    return bytes(out)


def _swapped(rng: random.Random, data: bytes) -> bytes:
    """Chunks that changed places, with the checksums of where they were."""
    parts = taken_apart(data)
    packed = [
        records.pack(kind, i, content, parts.n_groups) for i, (kind, content) in enumerate(parts.records)
    ]
    rng.shuffle(packed)
    return parts.header + b"".join(packed) + data[-rng.randint(0, 80) :]


def _reordered(rng: random.Random, data: bytes) -> bytes:
    """Records dropped, repeated or moved, and numbered anew."""
    parts = taken_apart(data)
    for _ in range(rng.randint(1, 4)):
        if parts.records:
            one = parts.records.pop(rng.randrange(len(parts.records)))
            if rng.random() < 0.5:
                for _ in range(rng.randint(1, 3)):
                    parts.records.insert(rng.randint(0, len(parts.records)), one)
    return put_together(parts)


def _payload(rng: random.Random, data: bytes) -> bytes:
    """A chunk's own bytes damaged, and its checksum made to fit: what only the decoder of chunks can tell."""
    parts = taken_apart(data)
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(parts.records))
        kind, content = parts.records[at]
        # most of what is told stands at the beginning
        edge = min(len(content), rng.choice([2, 8, 32, len(content)]))
        changed = damaged(rng, content[:edge]) + content[edge:]
        if rng.random() < 0.1:
            changed = rng.randbytes(rng.randrange(100))
        parts.records[at] = (kind, changed)
    return put_together(parts)


def _retyped(rng: random.Random, data: bytes) -> bytes:
    """A record said to be of another kind."""
    parts = taken_apart(data)
    at = rng.randrange(len(parts.records))
    parts.records[at] = (rng.randrange(2 + 2 * parts.n_groups), parts.records[at][1])
    return put_together(parts)


def _with_header(body: bytes, flags: int) -> bytes:
    out = bytearray(layout.MAGIC) + bytes((layout.VERSION, flags))
    put(out, len(body))
    out += body
    return bytes(out) + struct.pack("<I", zlib.crc32(out))


def _header(rng: random.Random, data: bytes) -> bytes:
    """A header damaged in a few bytes, and its checksum made to fit."""
    parts = taken_apart(data)
    cursor = Cursor(parts.header, 6)
    cursor.take("length")
    body = bytearray(parts.header[cursor.at : -4])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(min(len(body), rng.choice([20, len(body)])))
        body[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    if rng.random() < 0.2:
        body = bytearray(damaged(rng, bytes(body)))
    parts.header = _with_header(bytes(body), rng.randrange(2))
    return put_together(parts)


def _text(rng: random.Random, data: bytes) -> bytes:
    """A header whose text says something of another type or size."""
    parts = taken_apart(data)
    header = layout.unpack(parts.header, None).header
    about = text.inflate(text.text_of(header))
    spot: Any = about
    keys: list[Any] = list(about)
    while keys and rng.random() < 0.8:
        key = rng.choice(keys)
        if isinstance(spot[key], dict | list) and spot[key] and rng.random() < 0.8:
            spot = spot[key]
            keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
            continue
        spot[key] = rng.choice([None, -1, 2**60, 1e300, "x", [], {}, [[]], True, [1, 2, 3], {"a": 1}, 10**30])
    packed = text.deflate(about)
    plain = layout.pack(header)
    cursor = Cursor(plain, 6)
    cursor.take("length")
    end = len(plain) - 4 - len(text.text_of(header))
    parts.header = _with_header(plain[cursor.at : end] + packed, header.identity)
    return put_together(parts)


def _lengths(rng: random.Random, data: bytes) -> bytes:
    """The head of a record forged, with the checksum that fits the bytes that it then has."""
    parts = taken_apart(data)
    at = rng.randrange(len(parts.records))
    before = put_together(Parts(parts.header, parts.n_groups, parts.records[:at]))
    out = bytearray(before[: len(before) - _tail(parts, at)])
    kind, content = parts.records[at]
    records.put_head(
        out, kind, rng.choice([0, 1, len(content) + 1, 2**14, records.MAX_RECORD]), parts.n_groups
    )
    out += content + struct.pack("<I", zlib.crc32(content))
    return bytes(out) + data[-rng.randint(0, 200) :]


def _tail(parts: Parts, at: int) -> int:
    heads = bytearray()
    for kind, content in parts.records[:at]:
        records.put_head(heads, kind, len(content), parts.n_groups)
    return len(index.with_trailer(index.pack(bytes(heads), parts.n_groups)))


def _index(rng: random.Random, data: bytes) -> bytes:
    """An index that says something else, with a right checksum, or a trailer that leads elsewhere."""
    parts = taken_apart(data)
    whole = put_together(parts)
    size = _tail(parts, len(parts.records))
    if rng.random() < 0.3:
        return whole[:-4] + struct.pack("<I", rng.choice([0, 4, size - 1, len(whole), 2**32 - 1]))
    heads = bytearray()
    for kind, content in parts.records:
        length = len(content) + rng.choice([0, 0, 0, 1, -1, 5])
        records.put_head(heads, kind ^ (rng.random() < 0.1), max(length, 0), parts.n_groups)
    if rng.random() < 0.3:
        heads = bytearray(damaged(rng, bytes(heads)))
    return whole[:-size] + index.with_trailer(index.pack(bytes(heads), parts.n_groups))


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The header of one file before the records of another."""
    ours, theirs = taken_apart(data), taken_apart(other)
    if rng.random() < 0.5:
        return put_together(Parts(ours.header, ours.n_groups, theirs.records))
    return ours.header + put_together(theirs)[len(theirs.header) :]


MUTATIONS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "damaged": damaged,
    "swapped": _swapped,
    "reordered": _reordered,
    "payload": _payload,
    "retyped": _retyped,
    "header": _header,
    "text": _text,
    "lengths": _lengths,
    "index": _index,
}
WEIGHTS = (6, 1, 2, 8, 1, 4, 2, 1, 1)


def mutation(number: int, files: Sequence[bytes]) -> tuple[str, bytes]:
    """What is done, and the file that comes of it; of one number always the same."""
    rng = random.Random(number)
    data = rng.choice(files)
    if rng.random() < 0.03:
        return "spliced", _spliced(rng, data, rng.choice(files))
    (name,) = rng.choices(list(MUTATIONS), WEIGHTS)
    return name, MUTATIONS[name](rng, data)
