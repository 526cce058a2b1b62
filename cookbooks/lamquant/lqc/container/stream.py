"""Reads a ``.lqc`` file as it arrives, from a pipe or a socket: each chunk is handed on when it is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cookbooks.lamquant.lqc.container import layout, records, text, walk
from cookbooks.lamquant.lqc.container.header import MAX_SAMPLES, FileHeader
from cookbooks.lamquant.lqc.errors import FormatError, PayloadError
from cookbooks.lamquant.lqc.varint import Cursor


@dataclass(frozen=True)
class Arrived:
    """Holds a chunk that has come: of which group, its number, its bytes.

    ``n_samples`` is how many samples the group has in all, as far as that is known by now. Numbers of one
    group only rise; one that is passed over is lost.
    """

    group: int
    chunk: int
    data: bytes
    n_samples: int | None


class ChunkStream:
    """Reads the header of a stream, and then yields its chunks, in the order in which they were written.

    ``header`` grows by what is noted on the way. ``complete`` says, when all has been read, whether the end
    of the file was seen and nothing before it was damaged.

    Args:
        file: read from where it stands, never further than to the end of the index.

    Raises:
        FormatError: the header is cut, damaged, or of a later version.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._window = _Passing(file)
        # no header is shorter, so nothing is waited for that may not come
        size = layout.header_size(bytes(self._window.view(0, 16)))
        self.header: FileHeader = layout.unpack(bytes(self._window.view(0, size)), None).header
        self._walk = walk.Walk(self._window, size, len(self.header.groups))
        self._n_samples = [group.n_samples for group in self.header.groups]

    @property
    def complete(self) -> bool:
        """Says whether the index was reached and nothing was passed over."""
        return self._walk.ended and not self._walk.lost

    def __iter__(self) -> Iterator[Arrived]:
        """Yields each sound chunk."""
        for found in self._walk:
            if found.head.kind == records.NOTES:
                self.header = text.add_notes(self.header, text.inflate(bytes(found.content)))
            elif found.head.slot >= 2 and (chunk := self._chunk(found)):
                yield chunk

    def _chunk(self, found: walk.FoundChunk) -> Arrived | None:
        group = found.head.slot - 2
        cursor = Cursor(found.content)
        if found.head.is_final:
            try:
                total = cursor.take("samples", MAX_SAMPLES)
            except PayloadError as error:
                raise FormatError(f"group {group}, chunk {found.number}: {error}") from error
            if self._n_samples[group] is None:
                self._n_samples[group] = total
        total = self._n_samples[group]
        if total is not None and found.number >= self.header.groups[group].n_chunks(total):
            return None
        return Arrived(group, found.number, cursor.rest(), total)


class _Passing:
    """Shows what arrives, and holds it until it is forgotten."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at, self._data = file, 0, bytearray()
        self._ended = False

    def view(self, at: int, count: int) -> memoryview:
        while not self._ended and (missing := at + count - self._at - len(self._data)) > 0:
            part = self._file.read(missing)
            self._ended = not part
            self._data += part
        return memoryview(self._data[at - self._at : at - self._at + count])

    def forget(self, before: int) -> None:
        del self._data[: before - self._at]
        self._at = before
