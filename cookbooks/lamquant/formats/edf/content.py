"""Tells text from samples by what stands in the data records, whatever a label says."""

import re
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SHARE = 0.25
"""A signal is text where at least this share of its records that are not all zero is."""
LETTERS = 4
"""The bytes of a sample can all be printable where a channel has a large offset: but then the upper byte
hardly changes. Text has so many different letters in every place of a sample, if it is not very short."""
ENOUGH = 64
"""Records that are not blank, by which a signal is judged that is blank elsewhere."""
FEWEST, WORD, SHORT = 4, 16, 64
"""Bytes that tell nothing, bytes of one word, and bytes of which a text is long enough to be told."""
_PERIODS, LONG_FILL = (1, 2, 3, 4), 8
"""Bytes after which a fill repeats: of a byte, a sample, a wide character. Shorter ones are by chance."""
_FILL = np.isin(np.arange(256), [0, 9, 10, 13, 32, 255])
_PRINTABLE = np.isin(np.arange(256), [9, 10, 13, 20, 21, *range(32, 127)])
_NEVER_UTF8 = np.isin(np.arange(256), [0xC0, 0xC1, *range(0xF5, 0x100)])
_BEGINS_A_LIST = re.compile(rb"\0{0,4}[+-][0-9]{1,9}([.,][0-9]{0,9})?(\x15[0-9.,]{0,12})?\x14")

_RANGES = ((32, 57), (65, 90), (97, 122))
_COMMON = np.isin(
    np.arange(256),
    [
        *(9, 10, 13, 20, 21, *(ord(c) for c in " ,-./:_()'+@")),
        *(*range(48, 58), *range(65, 91), *range(97, 123), *range(0xC0, 256)),
    ],
)

Records = NDArray[np.uint8]


def is_text(record: bytes, width: int) -> bool:
    """Says whether one record is text or a time-stamped list, not samples of ``width`` bytes."""
    return bool(_texts(np.frombuffer(record, np.uint8)[None], width)[0])


def hold_text(records: Records, width: int) -> bool:
    """Says whether a signal holds text, by some of its records, ``[records, bytes]``.

    Short ones are put together: a letter at a time is text too. Records that are filled up count for nothing:
    a text may stand in one record only.
    """
    together = -(-SHORT // max(1, records.shape[1]))
    if 1 < together <= len(records):
        whole = len(records) // together
        records = records[: whole * together].reshape(whole, -1)
    texts = int(_texts(records, width).sum())
    return texts > 0 and texts >= SHARE * int((~are_blank(records)).sum())


def holds_text_somewhere(parts: Iterable[bytes], size: int, width: int) -> bool:
    """Says whether a signal that is mostly blank holds text, by the first of its parts that are not.

    Args:
        parts: of every data record, in order.
        size: bytes of a part.
        width: bytes of a sample.
    """
    together = -(-SHORT // size)
    found: list[bytes] = []
    rest = iter(parts)
    while record := b"".join(islice(rest, together)):
        if not is_blank(record):
            found.append(record.ljust(together * size, b"\0"))
        if len(found) == ENOUGH:
            break
    records = np.frombuffer(b"".join(found), np.uint8).reshape(len(found), together * size)
    return hold_text(records, width)


def is_blank(record: bytes) -> bool:
    """Says whether a record holds what fills it up and nothing else."""
    repeats = any(record[period:] == record[:-period] for period in _PERIODS[2:])  # of 4 are those of 1 and 2
    return repeats or not record.strip(b"\0\t\n\r \xff")


def are_blank(records: Records) -> NDArray[np.bool_]:
    """Returns which records, ``[records, bytes]``, hold what fills them up and nothing else."""
    blank = np.asarray(_FILL[records].all(axis=1), np.bool_)
    for period in _PERIODS:
        blank |= (records[:, period:] == records[:, :-period]).all(axis=1)
    return blank


def _texts(records: Records, width: int) -> NDArray[np.bool_]:
    """Returns which records are text."""
    found = np.zeros(len(records), np.bool_)
    if records.shape[1] == 0:
        return found
    firsts, ends = _content(records)
    printable = _PRINTABLE[records]
    place = np.arange(records.shape[1])
    inside = (place >= firsts[:, None]) & (place < ends[:, None])
    filled = (inside & (records != 0) & (records != 0xFF)).sum(axis=1)
    pairs = (inside[:, 1:] & printable[:, 1:] & printable[:, :-1]).sum(axis=1)
    for index in np.flatnonzero((filled >= FEWEST) & (pairs >= 0.8 * (filled - 1))):
        letters = min(LETTERS, int(filled[index]) // 4 + 1)
        record = records[index, firsts[index] // width * width : ends[index]]
        counts = [len(np.unique(record[at::width])) for at in range(width)]
        # a word has too few bytes for each place of a sample to show its letters
        shown = min(counts) if len(record) >= WORD else sum(counts) // width
        found[index] = shown >= letters
    for index in np.flatnonzero(np.isin(records[:, 0], (0, 43, 45))):
        found[index] |= bool(_BEGINS_A_LIST.match(records[index].tobytes()))
    for index in np.flatnonzero(~found & (filled >= FEWEST) & ~(inside & _NEVER_UTF8[records]).any(axis=1)):
        found[index] = _is_foreign(records[index, firsts[index] : ends[index]].tobytes())
    for kind in ("<u2", ">u2"):
        found |= _are_foreign_wide(records, inside, kind)
    zeros = (inside & (records == 0)).sum(axis=1)
    for index in np.flatnonzero(~found & (filled >= FEWEST) & (zeros >= 0.4 * (ends - firsts))):
        found[index] = _is_wide(records[index], int(firsts[index]), int(ends[index]))
    return found


def _content(records: Records) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns where in each record the content begins and ends between what fills it up."""
    n = records.shape[1]
    firsts, ends = np.zeros(len(records), np.int64), np.full(len(records), n, np.int64)
    for period in _PERIODS:
        if n <= max(period, LONG_FILL):
            continue
        changes = records[:, period:] != records[:, :-period]
        some = changes.any(axis=1)
        first = np.where(some, changes.argmax(axis=1) + period, n)
        end = np.where(some, changes.shape[1] - changes[:, ::-1].argmax(axis=1), 0)
        firsts = np.where(first >= LONG_FILL, np.maximum(firsts, first), firsts)
        ends = np.where(n - end >= LONG_FILL, np.minimum(ends, end), ends)
    return np.minimum(firsts, ends), ends


def _is_wide(record: Records, first: int, end: int) -> bool:
    """Says whether a record holds Latin text of which each character has several bytes.

    That is UTF-16, UTF-32, and a character in each sample. Digits, capitals and small letters are ranges of
    numbers, and what lies between them is rare in a text. Samples that reach from one range to another are
    between them as often. Where a record is filled up with spaces or zeros, one range is enough.
    """
    for size in (2, 3, 4):
        start = first // size * size
        whole = record[start : start + -(-(end - start) // size) * size]
        table = whole[: len(whole) // size * size].reshape(-1, size)
        used = (table != 0).mean(axis=0)
        place = int(used.argmax())
        if np.delete(used, place).max() >= 0.05:
            continue
        units = table[:, place]
        units = units[(units != 0) & (units != 0xFF)]
        if len(units) < FEWEST or not _COMMON[units].mean() >= 0.95:
            continue
        ranges = sum(bool(((units >= low) & (units <= high)).any()) for low, high in _RANGES)
        rest = np.concatenate([record[:start], record[end:]])
        fills = len(rest) >= LONG_FILL and _FILL[rest].all()
        letters = min(LETTERS, len(units) // 4 + 1)
        if len(np.unique(units)) >= letters and ranges >= (1 if fills else 2):
            return True
    return False


def _are_foreign_wide(records: Records, inside: NDArray[np.bool_], kind: str) -> NDArray[np.bool_]:
    """Returns which records are UTF-16 of Greek, Cyrillic, Hebrew or Arabic letters.

    Nothing but letters and ASCII stands in them, and words end in a space or the text before the record does:
    samples do not jump between the two.
    """
    even = records.shape[1] // 2 * 2
    units = np.ascontiguousarray(records[:, :even]).view(kind)
    fills = _FILL[records] | _PRINTABLE[records]
    blank = np.where(fills[:, 0:even:2] & fills[:, 1:even:2], ord(" "), ord("-"))
    units = np.where(inside[:, 0:even:2] & inside[:, 1:even:2], units, blank)
    letters = (units >= 0x370) & (units <= 0x6FF)
    others = (units < 0x80) | (units == 0xFFFF) | (units == 0xFEFF)
    found = (letters | others).all(axis=1) & (letters.sum(axis=1) >= FEWEST)
    found &= np.isin(units, [0, 0x20, 0xFFFF]).any(axis=1)
    for index in np.flatnonzero(found):
        found[index] = len(np.unique(units[index][letters[index]])) >= LETTERS
    return found


def _is_foreign(record: bytes) -> bool:
    """Says whether bytes are UTF-8 of other letters than those of ASCII; samples hardly ever are UTF-8."""
    try:
        text = record.strip(b"\0").decode()
    except UnicodeDecodeError:
        return False
    words = text.replace("\0", "").replace("\n", "").replace("\x14", "")
    return words.isprintable() and sum(not letter.isascii() for letter in words) >= FEWEST
