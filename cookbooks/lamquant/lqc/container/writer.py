"""Writes a ``.lqc`` file chunk by chunk, with no more in memory than the index."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from cookbooks.lamquant.lqc.container import index, layout, records, text
from cookbooks.lamquant.lqc.container.header import (
    MAX_SAMPLES,
    Annotation,
    FileHeader,
    Gap,
    check_annotation,
    check_gap,
)
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.varint import put

COPY_SHARE = 256
"""A second header is written where it takes less than this part of the file."""


class Writer:
    """Writes a header, chunks as they come, and at the end an index.

    A path is written beside its place, and appears whole when it is closed; an error in the ``with`` block,
    or ``abort``, leaves what was there. A file object is written from where it stands, never read, never
    moved in, and stays open: a pipe will do.

    Args:
        file: where it goes.
        header: what is known at the beginning.

    Raises:
        InputError: the header cannot be written.
        OSError: the file cannot.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, header: FileHeader) -> None:
        start = layout.pack(header)
        self.header = header
        self._start = start
        self._chunks = [0] * len(header.groups)
        self._samples = [group.n_samples for group in header.groups]
        self._ended = [group.n_samples == 0 for group in header.groups]
        self._notes, self._size, self._closed = 0, 0, False
        self._heads = bytearray()
        self._path, self._temporary = None, Path()
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
            self._file: BinaryIO = self._open(self._path)
        else:
            self._file = file
        self._write(start)

    def _open(self, path: Path) -> BinaryIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}-{os.urandom(6).hex()}.tmp")
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        return os.fdopen(descriptor, "wb")

    def due(self) -> int | None:
        """Returns the group whose chunk comes next, so that times interleave; None when all are there."""
        starts = [
            (group.frames(self._chunks[number], MAX_SAMPLES)[0] * (group.hop or 1) / group.rate_hz, number)
            for number, group in enumerate(self.header.groups)
            if not self._ended[number]
        ]
        return min(starts)[1] if starts else None

    def chunk(self, group: int, data: bytes, n_samples: int | None = None) -> None:
        """Append the next chunk of a group.

        Args:
            group: its number.
            data: the coded chunk.
            n_samples: of the group in all: with its last chunk, where the header does not say it.

        Raises:
            InputError: the group has all its chunks already, or ``n_samples`` does not end in this chunk.
        """
        self._expect(group, n_samples, bool(data))
        if len(data) > records.MAX_RECORD - MAX_SAMPLES.bit_length() // 7 - 1:
            raise InputError(f"group {group}: a chunk of {len(data)} bytes is too long")
        total = bytearray()
        if n_samples is not None and self.header.groups[group].n_samples is None:
            put(total, n_samples)
            self._samples[group] = n_samples
        kind = records.kind_of(group, bool(total))
        self._record(kind, self._chunks[group], bytes(total) + data)
        self._chunks[group] += 1
        known = self._samples[group]
        self._ended[group] = known is not None and self._chunks[group] >= self._n_chunks(group, known)

    def _n_chunks(self, group: int, n_samples: int) -> int:
        return self.header.groups[group].n_chunks(n_samples)

    def _expect(self, group: int, n_samples: int | None, has_data: bool) -> None:
        if not 0 <= group < len(self._chunks):
            raise InputError(f"group {group} is not one of the {len(self._chunks)} of the header")
        chunk = self._chunks[group]
        if self._ended[group]:
            raise InputError(f"group {group} has all its {chunk} chunks")
        declared = self.header.groups[group].n_samples
        if n_samples is None or n_samples == declared:
            return
        if declared is not None:
            raise InputError(f"group {group} has {declared} samples by the header, not {n_samples}")
        # without data it only says how many there are
        ends = (chunk + 1,) if has_data else (chunk, chunk + 1)
        if not 0 <= n_samples <= MAX_SAMPLES or self._n_chunks(group, n_samples) not in ends:
            raise InputError(f"group {group}: {n_samples} samples do not end in chunk {chunk}")

    def note(
        self,
        gaps: Iterable[Gap] = (),
        annotations: Iterable[Annotation] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Append gaps, annotations and facts that were not known at the beginning.

        Raises:
            InputError: one of them cannot be written; text, where the header has no ``identity``.
        """
        gaps, annotations = tuple(gaps), tuple(annotations)
        for gap in gaps:
            check_gap("gap", gap, len(self._chunks))
        for mark in annotations:
            check_annotation("annotation", mark, self.header.identity)
        if content := text.deflate(text.notes(gaps, annotations, facts or {})):
            self._record(records.NOTES, self._notes, content)
            self._notes += 1

    def close(self, n_samples: Sequence[int] | None = None) -> None:
        """Write the index, and put the file into its place; a second call does nothing.

        Args:
            n_samples: of each group: for those that the header leaves open and no chunk has ended.

        Raises:
            InputError: chunks are missing; nothing is left at the path then.
        """
        if self._closed:
            return
        try:
            for group, ended in enumerate(self._ended):
                if not ended:
                    self._end(group, None if n_samples is None else n_samples[group])
            self._finish()
            self._closed = True
        except BaseException:
            self.abort()
            raise

    def _end(self, group: int, n_samples: int | None) -> None:
        chunks, declared = self._chunks[group], self.header.groups[group].n_samples
        if declared is not None:
            raise InputError(f"group {group} has {chunks} chunks, and {declared} samples need more")
        if n_samples is None or self._n_chunks(group, n_samples) != chunks:
            raise InputError(f"group {group} has {chunks} chunks, and they do not end at sample {n_samples}")
        self.chunk(group, b"", n_samples)

    def _finish(self) -> None:
        tail = index.pack(bytes(self._heads), len(self._chunks))
        if len(self._start) * COPY_SHARE <= self._size:
            tail += self._start
        self._write(index.with_trailer(tail))
        if self._path is None:
            self._file.flush()
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def abort(self) -> None:
        """Leave no file at a path; of a file object, what was written stays."""
        if self._path is not None and not self._closed:
            self._file.close()
            self._temporary.unlink(missing_ok=True)
        self._closed = True

    def _record(self, kind: int, number: int, content: bytes) -> None:
        if self._closed:
            raise InputError("the file is closed: nothing can be added to it")
        records.put_head(self._heads, kind, len(content), len(self._chunks))
        self._write(records.pack(kind, number, content, len(self._chunks)))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)

    def __enter__(self) -> "Writer":
        """Returns the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, or after an error abort it."""
        if kind is None:
            self.close()
        else:
            self.abort()
