"""Finds where the paths of recordings mention parts that may say whose they are."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.parts import NamePart, NameParts, Rank, parts_of, plausible

DIRECTORY, FILE = "directory", "file name"
SHORT = 3
"""Digits of a number that may as well count recordings as people."""
LETTERED = re.compile(r"[a-z]\d{1,2}")
"""In a file name, such as ``s1``, as good as a short number."""
DATE_DIGITS = (4, 6, 8)
SHORT_DATE = 6
"""So many digits are an identifier more often than a date."""


class Key(NamedTuple):
    """Names a part in one source: the site above it, as compared, and for short numbers where it stands."""

    site: str
    text: str
    place: str


class Mention(NamedTuple):
    """Holds where a recording's path mentions a part."""

    key: Key
    part: NamePart
    place: str
    whole: str
    depth: int


def mentions_in(one: Mapping[str, Any]) -> list[Mention]:
    """Returns what the directories and the file name of a recording mention, in their order."""
    found: list[Mention] = []
    site = ""
    names = [(name, DIRECTORY) for name in one["directories"]] + [(one["file"], FILE)]
    for depth, (name, place) in enumerate(names):
        parts = _parts(name, bool(found) and place == DIRECTORY)
        if parts.is_site:
            site = f"{site}/{patient_key(name)}" if place == DIRECTORY else site
        found += [_mention(site, part, place, name, depth) for part in parts.found]
    return found


def _mention(site: str, part: NamePart, place: str, whole: str, depth: int) -> Mention:
    lettered = part.rank is Rank.ID and LETTERED.fullmatch(part.key)
    if place == FILE and (len(part.key) == 1 or lettered):
        part = part._replace(rank=Rank.COUNTER)
    elif place == FILE and _is_short(part.key):
        part = part._replace(rank=min(part.rank, Rank.WORD))
    return Mention(Key(site, part.key, place if _is_short(part.key) else ""), part, place, whole, depth)


def _is_short(key: str) -> bool:
    return len(key) == 1 or (key.isdigit() and len(key) <= SHORT)


_parts: Callable[[str, bool], NameParts] = lru_cache(maxsize=1 << 16)(parts_of)


def without_dates(mentions: Mapping[str, list[Mention]]) -> dict[str, list[Mention]]:
    """Returns the mentions, by stem, without digits that are a date: others in their place say so.

    All others of their length at that depth can be as well, and there are several of them, or something else
    stands beside each.
    """
    groups: dict[tuple[str, int, int], list[tuple[str, list[Mention]]]] = defaultdict(list)
    for found in mentions.values():
        for mention in found:
            if mention.key.text.isdigit() and len(mention.key.text) in DATE_DIGITS:
                place = (mention.place, mention.depth * (mention.place == DIRECTORY), len(mention.key.text))
                groups[place].append((mention.key.text, found))
    gone: set[tuple[str, int, str]] = set()
    for (place, depth, length), members in groups.items():
        digits = {text for text, _ in members}
        beside = all(
            any(m.part.rank >= Rank.WORD and m.key.text != text for m in found) for text, found in members
        )
        several = len(digits) > 1 and length != SHORT_DATE
        if all(map(plausible, digits)) and (several or beside):
            gone |= {(place, depth, text) for text in digits}
    return {
        stem: [m for m in found if (m.place, m.depth * (m.place == DIRECTORY), m.key.text) not in gone]
        for stem, found in mentions.items()
    }
