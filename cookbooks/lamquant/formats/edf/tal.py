"""Parses time-stamped annotation lists of EDF+ and BDF+ (Kemp and Olivan 2003, section 2.2.2)."""

import re
from typing import NamedTuple

TIME_KEEPING = re.compile(rb"\0*([+-]?[0-9]{1,12}(?:[.,][0-9]{0,12})?)(?:\x15[^\x14\0]{0,16})?\x14\x14")
"""Begins a data record: its onset, and an empty text."""
_LIST = re.compile(
    rb"([+-]?[0-9]{1,12}(?:[.,][0-9]{0,12})?)(?:\x15([0-9]{0,12}(?:[.,][0-9]{0,12})?))?\x14(.*)", re.DOTALL
)


class BadTal(ValueError):
    """Says that an annotation signal holds something that is not a list."""


class Tal(NamedTuple):
    """Holds one list: onset and duration in seconds, and its texts, which can name a person."""

    onset_s: float
    duration_s: float | None
    texts: list[str]


def parse_tals(data: bytes, *, strict: bool = False) -> list[Tal]:
    """Returns the lists in one record of an annotation signal; anything else is passed over.

    The list that only says when a record begins has no texts.

    Raises:
        BadTal: with ``strict``, there is something else.
    """
    found = []
    for piece in data.split(b"\0"):
        if piece and (match := _LIST.fullmatch(piece)):
            onset, duration, texts = match.groups()
            words = [_text(text) for text in texts.split(b"\x14") if text]
            found.append(Tal(_number(onset), _number(duration) if duration else None, words))
        elif strict and piece.strip():
            raise BadTal("an annotation is damaged: it has no onset, or its onset is not a number")
    return found


def record_onset(data: bytes) -> tuple[float, int] | None:
    """Returns when a data record begins, in seconds, and the number of decimals it is given with.

    None where the record does not begin with its time.
    """
    match = TIME_KEEPING.match(data)
    if match is None:
        return None
    decimals = re.split(rb"[.,]", match[1])
    return _number(match[1]), len(decimals[1]) if len(decimals) == 2 else 0


def _number(text: bytes) -> float:
    plain = text.replace(b",", b".")
    return 0.0 if plain == b"." else float(plain)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
