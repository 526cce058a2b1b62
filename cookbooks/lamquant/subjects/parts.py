"""Cuts the name of a file or directory into the parts that may say whose it is."""

import re
from datetime import date
from enum import IntEnum
from typing import NamedTuple

from cookbooks.lamquant.subjects.known import known_subject
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.words import PEOPLE, SUBJECT, counts, is_common, is_site, is_subject


class Rank(IntEnum):
    """Says how much a part looks like the name of one person."""

    COUNTER = 1
    WORD = 2
    ID = 3
    NUMBER = 4
    SUBJECT = 5
    KNOWN = 6


class NamePart(NamedTuple):
    """Holds a part: as compared, as spelled, and how much it looks like a person's name."""

    key: str
    shown: str
    rank: Rank


class NameParts(NamedTuple):
    """Holds the parts of one name, and whether it names a site: what follows is of that site alone."""

    found: tuple[NamePart, ...]
    is_site: bool = False


NOBODY = re.compile(r"ses-.*|\d+_tcp_.*")
"""Directories of a session (BIDS) or a montage (TUH)."""
DATED = re.compile(r"s\d+_\d{4}([-_]\d+)*")
"""Directories of a session (TUH), below that of a subject."""
DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-_. ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-_. ])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d)(?!\d)"
    r"(?:[T_ -]+\d\d(?:[-_:.h]?\d\d){0,2}(?!\d))?",
    re.IGNORECASE,
)
PACKED = re.compile(r"(?<!\d)((?:19|20)\d{6})(?:T|[-_ ])?\d{6}(?!\d)", re.IGNORECASE)
ONE_WORD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(\.\d+){4,}", re.IGNORECASE)
"""UUIDs, and the dotted identifiers of DICOM: their pieces tell nothing."""
SOFT = re.compile(r"[vtdmwynr]\d{1,2}")
"""Letters that count visits, days, months and the like more often than people."""


def parts_of(name: str, below: bool = False) -> NameParts:
    """Returns the parts of the name of a file (without its suffix) or directory, in its order.

    Args:
        below: whether it is a directory below one whose name has parts.
    """
    folded = patient_key(name)
    if known := known_subject(folded):
        return NameParts((NamePart(known[0], _spelled(name, known[1]), Rank.KNOWN),))
    if NOBODY.fullmatch(folded) or (below and DATED.fullmatch(folded)):
        return NameParts(())
    text = DATE.sub(" date ", PACKED.sub(lambda found: " date " if plausible(found[1]) else found[0], name))
    text = ONE_WORD.sub(lambda found: re.sub(r"[-.]", "", found[0]), text)
    pieces = [piece for piece in re.split(r"[\W_]+", text) if piece]
    found: list[NamePart] = []
    before, site = "", False
    for number, piece in enumerate(pieces):
        key = patient_key(piece)
        site = site or is_site(key)
        if before in SUBJECT and not is_common(key):
            found.append(NamePart(f"{before}{key}", f"{pieces[number - 1]}{piece}", Rank.KNOWN))
        elif before in PEOPLE and key.isdigit():
            found.append(NamePart(f"{before}{key}", f"{pieces[number - 1]}{piece}", Rank.ID))
        elif not (
            is_common(key) or is_site(key) or key in SUBJECT or _counts(before, key, bool(found), site)
        ):
            found.append(_part(key, piece, follows=bool(found)))
        before = key
    return NameParts(tuple(found), site)


def _counts(before: str, key: str, follows: bool, site: bool) -> bool:
    """Says whether a short piece only numbers what stands before it."""
    if len(key) == 1 and not key.isdigit() and (follows or site):
        return True
    dated = len(before) == 8 and before.isdigit() and plausible(before)
    return key.isdigit() and len(key) <= 4 and (dated or counts(before))


def _part(key: str, piece: str, *, follows: bool) -> NamePart:
    if lettered := re.fullmatch(r"(\d+)[a-z]", key):
        key = piece = lettered[1]
    return NamePart(key, piece, _rank(key, follows=follows))


def _rank(key: str, *, follows: bool) -> Rank:
    if is_subject(key):
        return Rank.KNOWN
    if key.isdigit():
        if len(key) <= (3 if follows else 2):
            return Rank.COUNTER
        return Rank.ID if len(key) == 3 else Rank.NUMBER
    if not any(c.isdigit() for c in key):
        return Rank.WORD
    if SOFT.fullmatch(key):
        return Rank.COUNTER
    return Rank.SUBJECT if re.fullmatch(r"p\d{2,}", key) else Rank.ID


def _spelled(name: str, subject: str) -> str:
    at = name.casefold().find(subject)
    return name[at : at + len(subject)] if at >= 0 else subject


def plausible(digits: str) -> bool:
    """Says whether four digits can be a year, six a short date, and eight a date."""
    orders = {4: ["y"], 6: ["ymd", "dmy"], 8: ["Ymd", "dmY"]}.get(len(digits), [])
    return any(_is_date(digits, order) for order in orders)


def _is_date(digits: str, order: str) -> bool:
    if order == "y":
        return 1950 <= int(digits) < 2050
    cut = {"ymd": (0, 2, 4), "dmy": (4, 2, 0), "Ymd": (0, 4, 6), "dmY": (4, 2, 0)}[order]
    year, month, day = cut
    width = 4 if "Y" in order else 2
    y = int(digits[year : year + width]) + (0 if width == 4 else 2000)
    try:
        date(y, int(digits[month : month + 2]), int(digits[day : day + 2]))
    except ValueError:
        return False
    return 1950 <= y < 2050
