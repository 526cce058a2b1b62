"""Reads a ``.lqc`` file: its header at once, each chunk when it is asked for."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from cookbooks.lamquant.lqc.container import index, layout, records, text, walk
from cookbooks.lamquant.lqc.container.header import MAX_SAMPLES, Group
from cookbooks.lamquant.lqc.container.mend import LONGEST, mended
from cookbooks.lamquant.lqc.container.source import ByteSource
from cookbooks.lamquant.lqc.errors import ChunkError, FormatError, InputError, PayloadError
from cookbooks.lamquant.lqc.varint import Cursor

MISSING = "is not in the file: it is cut off, or so damaged that it was not found"


@dataclass(frozen=True)
class Lost:
    """Says what of a group cannot be decoded: chunks, the samples that hang on them, and their time.

    ``end_chunk`` and ``end_sample`` are one beyond the last; seconds are from the beginning, gaps included.
    """

    group: int
    chunk: int
    end_chunk: int
    sample: int
    end_sample: int
    start_s: float
    end_s: float
    why: str


class ChunkReader:
    """Reads a file from a path, or from bytes in memory. Chunks may be read from several threads.

    ``header`` is all that the file says beside its samples; ``problems`` says what was damaged when it was
    opened, and how that was helped.

    Raises:
        FormatError: the header is damaged, and there is no second one; or it declares too much.
        OSError: the file cannot be read.
    """

    def __init__(self, file: str | os.PathLike[str] | bytes | bytearray | memoryview) -> None:
        self._source = ByteSource(file)
        self.problems: list[str] = []
        self._index_end = self._source.size
        try:
            parsed = self._parse_header()
            self._n_groups = len(parsed.header.groups)
            self._places = self._find(parsed.size)
            self.header = parsed.header
            self._read_notes()
            self._n_samples = [self._length(number) for number in range(self._n_groups)]
            layout.bound(self.header.groups, self._n_samples, self._source.size)
        except BaseException:
            self.close()
            raise

    def n_samples(self, group: int) -> int:
        """Returns how many samples a channel of a group has; of a file that breaks off, how many at most."""
        self._group(group)
        return self._n_samples[group]

    def n_chunks(self, group: int) -> int:
        """Returns the chunks that a group has, those that are lost among them."""
        return self._group(group).n_chunks(self._n_samples[group])

    def chunk(self, group: int, number: int) -> bytes:
        """Returns a coded chunk.

        Raises:
            ChunkError: it is damaged, or not in the file.
            InputError: the header declares no such chunk.
        """
        if not 0 <= number < self.n_chunks(group):
            raise InputError(f"group {group} has chunks 0 to {self.n_chunks(group) - 1}, not {number}")
        content, head = self._content(group, number)
        if not head.is_final:
            return content
        cursor = Cursor(content)
        try:
            cursor.take("samples", MAX_SAMPLES)
        except PayloadError as error:
            raise ChunkError(group, number, str(error)) from error
        return cursor.rest()

    def damaged(self) -> list[Lost]:
        """Returns what is lost, after a look at every chunk; consecutive chunks are one entry."""
        lost: list[Lost] = []
        for group, first, end, why in self._failing():
            last = lost[-1] if lost else None
            if last and (last.group, last.end_chunk, last.why) == (group, first, why):
                first = lost.pop().chunk
            lost.append(self._lost(group, first, end, why))
        return lost

    def verify(self) -> list[str]:
        """Returns a sentence for each thing that is damaged, of header, index, notes and chunks."""
        copy = self._source.read(self._index_end, self._source.size - self._index_end - index.TRAILER.size)
        found = list(self.problems)
        if copy and layout.find_last(copy, self._source.size) is None:
            found.append("the second header, at the end, is damaged")
        return found + [
            f"group {one.group}, chunks {one.chunk}..{one.end_chunk - 1}"
            f" ({one.start_s:.3f} to {one.end_s:.3f} s): {one.why}"
            for one in self.damaged()
        ]

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> "ChunkReader":
        """Returns the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _parse_header(self) -> layout.Parsed:
        size = self._source.size
        try:
            return layout.unpack(self._source.read(0, layout.header_size(self._source.read(0, 16))), size)
        except FormatError as error:
            end = size - index.TRAILER.size
            start = max(end - layout.MAX_HEADER, 0)
            how = "the second one, at the end, was read instead"
            parsed = layout.find_last(self._source.read(start, end - start), size)
            if parsed is None and (whole := mended(self._source.read(0, LONGEST))):
                how, parsed = (
                    "the one byte that was wrong was found by the checksum",
                    layout.unpack(whole, size),
                )
            if parsed is None:
                raise
            self.problems.append(f"{error}; {how}")
            return parsed

    def _find(self, start: int) -> list[index.Places]:
        if found := index.find(self._source, start, self._n_groups):
            places, self._index_end = found
            return places
        places = index.empty(self._n_groups)
        for one in walk.Walk(walk.ByteWindow(self._source), start, self._n_groups):
            places[one.head.slot].add(one.number, one.at, one.head)
        self.problems.append("the file is cut, or its index is damaged: its chunks were found one by one")
        return places

    def _read_notes(self) -> None:
        places = self._places[records.NOTES]
        for number in range(len(places.starts)):
            try:
                content, _ = self._record(records.NOTES, number)
                self.header = text.add_notes(self.header, text.inflate(content))
            except (PayloadError, FormatError) as error:
                self.problems.append(f"note {number}: {error}")

    def _length(self, number: int) -> int:
        group, places = self.header.groups[number], self._places[2 + number]
        if group.n_samples is not None:
            return group.n_samples
        if places.final is not None:
            try:
                content, _ = self._record(2 + number, places.final)
                total = Cursor(content).take("samples", MAX_SAMPLES)
                if group.n_chunks(total) in (places.final, places.final + 1):
                    return total
            except PayloadError:
                pass  # it is among the lost ones
        self.problems.append(f"group {number}: how many samples it has is lost with its end")
        return group.most_samples(len(places.starts))

    def _group(self, group: int) -> Group:
        if not 0 <= group < self._n_groups:
            raise InputError(f"group {group} is not one of the {self._n_groups} of the file")
        return self.header.groups[group]

    def _content(self, group: int, number: int) -> tuple[bytes, records.Head]:
        try:
            return self._record(2 + group, number)
        except PayloadError as error:
            raise ChunkError(group, number, str(error)) from error

    def _record(self, slot: int, number: int) -> tuple[bytes, records.Head]:
        places = self._places[slot]
        if number >= len(places.starts) or not places.sizes[number]:
            raise PayloadError(MISSING)
        record = self._source.read(places.starts[number], places.sizes[number])
        if records.number_of(record) != number:
            raise PayloadError("its checksum does not match, so it is damaged")
        head = records.take_head(record, 0, self._n_groups)
        if head.slot != slot or head.record_size != len(record):
            raise PayloadError("is another record than the index says")
        return record[head.size : -records.CHECK_BYTES], head

    def _failing(self) -> Iterator[tuple[int, int, int, str]]:
        for group in range(self._n_groups):
            n_chunks = self.n_chunks(group)
            there = min(len(self._places[2 + group].starts), n_chunks)
            for number in range(there):
                try:
                    self.chunk(group, number)
                except ChunkError as error:
                    yield group, number, number + 1, error.why
            if there < n_chunks:
                yield group, there, n_chunks, MISSING

    def _lost(self, group: int, first: int, end: int, why: str) -> Lost:
        about, total = self.header.groups[group], self._n_samples[group]
        sample, end_sample = about.samples(first, total)[0], about.samples(end - 1, total)[1]
        start_s = self.header.seconds(group, sample)
        end_s = self.header.seconds(group, max(end_sample - 1, 0)) + 1 / about.rate_hz
        return Lost(group, first, end, sample, end_sample, start_s, end_s, why)
