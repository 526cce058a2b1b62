"""Writes, finds and reads the index: the heads of all records, in the order of the file.

The index is the last record. It may be followed by a second header, and the file's last four bytes say how
far before them the index begins. Where any of it is damaged, the records are found by walking.
"""

import struct
from array import array
from dataclasses import dataclass, field

from cookbooks.lamquant.lqc.container import records
from cookbooks.lamquant.lqc.container.source import ByteSource
from cookbooks.lamquant.lqc.errors import PayloadError

TRAILER = struct.Struct("<I")


@dataclass
class Places:
    """Holds where records begin and how many bytes each has, by the number of the record; 0, 0 if lost."""

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    final: int | None = None

    def add(self, number: int, at: int, head: records.Head) -> None:
        """Note a record; those between the last one and this one are lost."""
        while len(self.starts) < number:
            self.starts.append(0)
            self.sizes.append(0)
        self.starts.append(at)
        self.sizes.append(head.record_size)
        if head.is_final:
            self.final = number


def empty(n_groups: int) -> list[Places]:
    """Returns places for notes, for the index, and for each group's chunks."""
    return [Places() for _ in range(2 + n_groups)]


def pack(heads: bytes, n_groups: int) -> bytes:
    """Returns the record of an index, of the heads of the records before it."""
    return records.pack(records.INDEX, 0, heads, n_groups)


def with_trailer(tail: bytes) -> bytes:
    """Returns what stands from the index on, with the four bytes that say how long that is."""
    return tail + TRAILER.pack(len(tail))


def find(source: ByteSource, start: int, n_groups: int) -> tuple[list[Places], int] | None:
    """Returns where the records are, and where the index ends; None where it is missing or damaged.

    Args:
        source: the file.
        start: where the first record begins.
        n_groups: groups of its header.
    """
    end = source.size - TRAILER.size
    if end <= start:
        return None
    at = end - TRAILER.unpack(source.read(end, TRAILER.size))[0]
    if at < start:
        return None
    try:
        head = records.take_head(source.read(at, records.MAX_HEAD), 0, n_groups)
        if head.kind != records.INDEX or at + head.record_size > end:
            return None
        record = source.read(at, head.record_size)
        if records.number_of(record) != 0:
            return None
        places = _unpack(record[head.size : -records.CHECK_BYTES], start, at, n_groups)
        return None if places is None else (places, at + head.record_size)
    except PayloadError:
        return None


def _unpack(heads: bytes, start: int, end: int, n_groups: int) -> list[Places] | None:
    """Returns the places, if the records fill ``start``..``end``."""
    found, at, place = empty(n_groups), 0, start
    while at < len(heads) and place < end:
        head = records.take_head(heads, at, n_groups)
        places = found[head.slot]
        places.add(len(places.starts), place, head)
        at, place = at + head.size, place + head.record_size
    return found if place == end and at == len(heads) else None
