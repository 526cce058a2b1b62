"""Unpacks gzip into a file that has no name, and not beyond what the recording's header promises.

Name and comment in the head of a gzip file are passed over: they can name a person.
"""

import contextlib
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from cookbooks.lamquant.formats.edf.header import read_fields
from cookbooks.lamquant.formats.edf.layout import promised_bytes
from cookbooks.lamquant.formats.edf.problems import COPY_AGAIN, BadRecording

MAGIC = b"\x1f\x8b\x08"
CHUNK = 1 << 20
LONGEST_HEADER = 256 * 10_000
"""Of the four digits that say how many signals there are."""
SLACK = 64 << 20
MAKE_ROOM = "make room on the disk for temporary files, or decompress it yourself"
MOST_RATIO = 200
"""Of the compressed size, where a header does not say how many records there are. EEG reaches three, a
channel that stands still a thousand."""


def inflated(path: Path, file: BinaryIO, scratch: Path | None) -> tuple[BinaryIO, int]:
    """Returns the content of an open gzip file, and how many bytes behind it are not gzip.

    The content is an open file that goes when it is closed. A file that breaks off gives what is there: its
    last data record is cut.

    Args:
        path: the file, for messages.
        file: at the beginning of the gzip data.
        scratch: directory for the content; the system's place for temporary files if None.

    Raises:
        BadRecording: damaged, no recording, larger than its header lets expect, or no room for it.
    """
    with contextlib.ExitStack() as stack:
        try:
            out = stack.enter_context(cast(BinaryIO, tempfile.TemporaryFile(dir=scratch)))  # noqa: SIM115
            left_over = _inflate(path, file, out)
            out.flush()
            out.seek(0)
        except OSError as error:
            problem = f"cannot be decompressed ({error.strerror or type(error).__name__})"
            raise BadRecording(path, "gzip", problem, MAKE_ROOM) from error
        stack.pop_all()
        return out, left_over


def _inflate(path: Path, file: BinaryIO, out: BinaryIO) -> int:
    stream, limit, known, written = zlib.decompressobj(wbits=31), None, False, 0
    data = file.read(CHUNK)
    while data:
        try:
            piece = stream.decompress(data, CHUNK)
        except zlib.error as error:
            raise BadRecording(path, "gzip", "damaged: its checks fail", COPY_AGAIN) from error
        out.write(piece)
        written += len(piece)
        if not known and written >= LONGEST_HEADER:
            limit, known = _limit(path, out), True
        if written > (limit or MOST_RATIO * file.tell() + SLACK):
            raise BadRecording(path, "gzip", "inflates to far more than its header promises", COPY_AGAIN)
        if shutil.disk_usage(out.fileno()).free < SLACK:
            raise BadRecording(path, "gzip", "there is no room to decompress it", MAKE_ROOM)
        if not stream.eof:
            data = stream.unconsumed_tail or file.read(CHUNK)
            continue
        data = _behind_member(stream.unused_data, file)
        if not data.startswith(MAGIC[:2]):
            return len(data) + os.fstat(file.fileno()).st_size - file.tell()
        stream = zlib.decompressobj(wbits=31)
    out.write(stream.flush())
    return 0


def _behind_member(data: bytes, file: BinaryIO) -> bytes:
    """Returns what follows a member: another one, or what is not gzip. Zeros between members are padding."""
    data = data.lstrip(b"\0")
    while len(data) < len(MAGIC) and (more := file.read(CHUNK)):
        data = (data + more).lstrip(b"\0")
    return data


def _limit(path: Path, out: BinaryIO) -> int | None:
    out.flush()
    at = out.tell()
    promised = promised_bytes(read_fields(path, out))
    out.seek(at)
    return None if promised is None else 2 * promised + SLACK
