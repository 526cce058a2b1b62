"""Tells text from samples by what stands in the data records, whatever a label says."""

import re

import numpy as np
from numpy.typing import NDArray

SHARE = 0.25
"""A signal is text where at least this share of its records that are not all zero is."""
LETTERS = 4
"""The bytes of a sample can all be printable where a channel has a large offset: but then the upper byte
hardly changes. Text has so many different letters in every place of a sample, if it is not very short."""
FEWEST, SHORT = 4, 64
"""Bytes that tell nothing, and bytes of which a text is long enough to be told."""
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

    Short ones are put together: a letter at a time is text too.
    """
    together = -(-SHORT // max(1, records.shape[1]))
    if 1 < together <= len(records):
        whole = len(records) // together
        records = records[: whole * together].reshape(whole, -1)
    seen = int(records.any(axis=1).sum())
    texts = int(_texts(records, width).sum())
    return texts > 0 and texts >= SHARE * seen


def _texts(records: Records, width: int) -> NDArray[np.bool_]:
    """Returns which records are text."""
    if records.shape[1] == 0:
        return np.zeros(len(records), np.bool_)
    printable = _PRINTABLE[records]
    filled = (records != 0).sum(axis=1)
    pairs = (printable[:, 1:] & printable[:, :-1]).sum(axis=1)
    found = (filled >= FEWEST) & (pairs >= 0.8 * (filled - 1))
    for index in np.flatnonzero(found):
        letters = min(LETTERS, int(filled[index]) // 4 + 1)
        found[index] = all(len(np.unique(records[index, at::width])) >= letters for at in range(width))
    for index in np.flatnonzero(np.isin(records[:, 0], (0, 43, 45))):
        found[index] |= bool(_BEGINS_A_LIST.match(records[index].tobytes()))
    for index in np.flatnonzero(~found & (filled >= FEWEST) & ~_NEVER_UTF8[records].any(axis=1)):
        found[index] = _is_foreign(records[index].tobytes())
    for place, kind in ((1, "<u2"), (0, ">u2")):
        narrow = (records[:, place::2] != 0).mean(axis=1) < 0.05
        for index in np.flatnonzero(~found & (filled >= FEWEST) & narrow):
            found[index] = _is_wide(records[index].tobytes(), kind)
    return found


def _is_wide(record: bytes, kind: str) -> bool:
    """Says whether bytes are UTF-16 of Latin text.

    Digits, capitals and small letters are ranges of numbers, and what lies between them is rare in a text.
    Samples that reach from one range to another are between them as often.
    """
    units = np.frombuffer(record[: len(record) // 2 * 2], kind)
    units = units[(units != 0) & (units != 0xFEFF)]
    if len(units) < FEWEST or units.max() > 0xFF or not _COMMON[units].mean() >= 0.95:
        return False
    return sum(bool(((units >= low) & (units <= high)).any()) for low, high in _RANGES) >= 2


def _is_foreign(record: bytes) -> bool:
    """Says whether bytes are UTF-8 of other letters than those of ASCII; samples hardly ever are UTF-8."""
    try:
        text = record.strip(b"\0").decode()
    except UnicodeDecodeError:
        return False
    words = text.replace("\0", "").replace("\n", "").replace("\x14", "")
    return words.isprintable() and sum(not letter.isascii() for letter in words) >= FEWEST
