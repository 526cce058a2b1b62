"""Finds records one after the other, and behind a damaged place the next one that is sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cookbooks.lamquant.lqc.container import records
from cookbooks.lamquant.lqc.container.source import ByteSource
from cookbooks.lamquant.lqc.errors import PayloadError

WINDOW = 2**20
PLAUSIBLE = 2**16
"""Bytes of a record that is looked for, if none that was found before is a quarter as long or longer."""
FREE_LOOKS, LOOKS_A_BYTE = 2**26, 64
"""Bytes that are hashed in vain before the search is given up, and those for each byte that is passed."""


class View(Protocol):
    """Shows bytes of a file: anywhere of one on a disk, ever further of one that arrives."""

    def view(self, at: int, count: int) -> memoryview:
        """Returns ``count`` bytes from ``at``; fewer where the file ends."""
        ...

    def forget(self, before: int) -> None:
        """Drop what lies before a place: nobody asks for it again."""
        ...


class ByteWindow:
    """Shows a file on a disk, of which it holds a part at a time."""

    def __init__(self, source: ByteSource) -> None:
        self._source, self._at, self._data = source, 0, memoryview(b"")

    def view(self, at: int, count: int) -> memoryview:
        """Returns ``count`` bytes from ``at``; fewer where the file ends."""
        if not self._at <= at <= at + count <= self._at + len(self._data):
            self._at, self._data = at, memoryview(self._source.read(at, max(count, WINDOW)))
        return self._data[at - self._at : at - self._at + count]

    def forget(self, before: int) -> None:
        """Do nothing: a file on a disk can be read again, and little of it is held."""


@dataclass(frozen=True)
class FoundChunk:
    """Holds a sound record: where it begins, its head, its number, its content."""

    at: int
    head: records.Head
    number: int
    content: memoryview


class Walk:
    """Yields the sound records of a file from ``start`` on, up to the index.

    ``lost`` counts the bytes that were passed over, ``ended`` says whether the index was reached.
    """

    def __init__(self, file: View, start: int, n_groups: int) -> None:
        self._file, self._at, self._n_groups = file, start, n_groups
        self._next = [0] * (2 + n_groups)
        self._longest, self._looked = 0, 0
        self.lost, self.ended = 0, False

    def __iter__(self) -> Iterator[FoundChunk]:
        """Yields each sound record."""
        while not self.ended:
            found = self._sound(self._at, records.MAX_RECORD) or self._search()
            if found is None:
                return
            self.ended = found.head.kind == records.INDEX
            self._at = found.at + found.head.record_size
            self._file.forget(self._at)
            self._next[found.head.slot] = found.number + 1
            self._longest = max(self._longest, found.head.record_size)
            yield found

    def _sound(self, at: int, longest: int) -> FoundChunk | None:
        """Returns the record at ``at``, if it is whole and its number can stand there."""
        try:
            head = records.take_head(self._file.view(at, records.MAX_HEAD), 0, self._n_groups)
        except PayloadError:
            return None
        if head.record_size > longest:
            return None
        record = self._file.view(at, head.record_size)
        self._looked += len(record)
        if len(record) < head.record_size:
            return None
        number = records.number_of(record)
        ahead = number - self._next[head.slot]
        # no record is shorter than a head, so no more of them can be lost
        if not 0 <= ahead <= (self.lost + at - self._at) // records.MAX_HEAD:
            return None
        return FoundChunk(at, head, number, record[head.size : -records.CHECK_BYTES])

    def _search(self) -> FoundChunk | None:
        """Returns the next sound record: after the damaged one by its own length, else wherever it is."""
        longest = max(PLAUSIBLE, 4 * self._longest)
        found = self._behind(longest)
        at = self._at
        self._looked = 0
        while found is None and self._looked <= FREE_LOOKS + LOOKS_A_BYTE * (at - self._at):
            at += 1
            self._file.forget(at)
            if not self._file.view(at, 1):
                break
            found = self._sound(at, longest)
        self.lost += (found.at if found else at) - self._at
        return found

    def _behind(self, longest: int) -> FoundChunk | None:
        try:
            head = records.take_head(self._file.view(self._at, records.MAX_HEAD), 0, self._n_groups)
        except PayloadError:
            return None
        return self._sound(self._at + head.record_size, longest)
