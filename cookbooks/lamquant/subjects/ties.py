"""Finds what ties the recordings of one source to each other: codes of headers, parts of names.

A part of a directory's or file's name joins only where nothing speaks against it: two header codes under it,
two people whose names a standard tells, or that it recurs below names which look more like a person's. Where
two readings of a tree are possible, it is read in both ways: who joins too much parts no patient.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.parts import NamePart, NameParts, Rank, parts_of, plausible

DIRECTORY, FILE, HEADER, PATTERN = "directory", "file name", "patient code", "file pattern"
SHORT = 3
"""Digits of a number that may as well count recordings as people."""
LETTERED = re.compile(r"[a-z]\d{1,2}")
"""In a file name, such as ``s1``, as good as a short number."""
DATE_DIGITS = (4, 6, 8)
SHORT_DATE = 6
"""So many digits are an identifier more often than a date."""
FEW_COUNTERS = 2
"""So many numbers below names count the recordings of each; of more, a split of people could be made."""


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


class Tie(NamedTuple):
    """Holds recordings that are of one person, and what shows it. ``strength`` orders ties for a name."""

    stems: tuple[str, ...]
    source: str
    name: str
    strength: int
    words: str
    scope: str = ""
    alias: str = ""


class RootTies(NamedTuple):
    """Holds the ties of one source, and in words which values were taken for no evidence."""

    ties: list[Tie]
    ignored: list[str]


def ties_of(evidence: Mapping[str, Mapping[str, Any]], *, alone: bool = True) -> RootTies:
    """Returns the ties among the recordings of one source; each recording has at least one, its own.

    Args:
        evidence: by stem, as `evidence_of` returns it.
        alone: whether there is no other source; else one whose recordings all bear one code, and no name
            that looks like a person's, is taken for that person's.
    """
    mentions = _without_dates({stem: _mentions(one) for stem, one in evidence.items()})
    codes = {stem: str(one["header"]) for stem, one in evidence.items() if one.get("header")}
    ignored: list[str] = []
    telling = any(mention.part.rank >= Rank.WORD for found in mentions.values() for mention in found)
    one_for_all = len(evidence) > 1 and len(codes) == len(evidence) and len(set(codes.values())) == 1
    if one_for_all and (alone or telling):
        ignored.append(f"the patient code {next(iter(codes.values()))}, which every header has")
        codes = {}
    files: dict[Key, list[str]] = defaultdict(list)
    for stem, found in mentions.items():
        for key in dict.fromkeys(mention.key for mention in found):
            files[key].append(stem)
    dropped = _dropped(mentions, files, codes)
    ignored += [f"{name!r}, {why}" for name, why in dropped.told.items()]
    ties = [
        Tie(stems, HEADER, code, 30, f"the patient code {code} in the header")
        for code, stems in _by(evidence, codes.get).items()
    ]
    ties += _named(mentions, files, dropped.keys)
    tied = {stem for stem, found in mentions.items() if {mention.key for mention in found} - dropped.keys}
    loose = {stem: one for stem, one in evidence.items() if stem not in tied}
    ties += _whole_names(loose, codes)
    return RootTies(ties, ignored)


def _mentions(one: Mapping[str, Any]) -> list[Mention]:
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


def _without_dates(mentions: dict[str, list[Mention]]) -> dict[str, list[Mention]]:
    """Leave out digits that are a date: they can be one, and others in their place say so.

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


class _Dropped(NamedTuple):
    keys: set[Key]
    told: dict[str, str]


def _dropped(
    mentions: Mapping[str, Sequence[Mention]], files: Mapping[Key, Sequence[str]], codes: Mapping[str, str]
) -> _Dropped:
    """Returns the parts that join nobody, and why in words where somebody may wonder."""
    ranks: dict[Key, Rank] = {}
    for found in mentions.values():
        for mention in found:
            ranks[mention.key] = max(mention.part.rank, ranks.get(mention.key, Rank.COUNTER))
    everywhere = {key for key, stems in files.items() if len(stems) == len(mentions) > 1}
    varying = {stem: [m for m in found if m.key not in everywhere] for stem, found in mentions.items()}
    counters = _counters(varying, files, ranks)
    known_keys = {key for key, rank in ranks.items() if rank is Rank.KNOWN}
    numbers = {key for key, rank in ranks.items() if rank >= Rank.NUMBER}
    keys, told = set(counters), dict[str, str]()
    for key, stems in files.items():
        held, known = {codes[stem] for stem in stems if stem in codes}, ranks[key] is Rank.KNOWN
        if len(held) > 1:
            keys.add(key)
            if ranks[key] > Rank.WORD:
                told[key.text] = f"under which {len(held)} different patient codes stand"
        elif len(mentions) == len(stems) > 1 and ranks[key] < Rank.SUBJECT:
            keys.add(key)
            if ranks[key] > Rank.WORD or any(
                m.key == key and m.place == DIRECTORY for m in mentions[stems[0]]
            ):
                told[key.text] = "which is in every path"
        elif (
            not known
            and key not in everywhere
            and _names_a_group(key, stems, varying, ranks, known_keys, numbers)
        ):
            keys.add(key)
    return _Dropped(keys, told)


def _names_a_group(
    key: Key,
    stems: Sequence[str],
    mentions: Mapping[str, Sequence[Mention]],
    ranks: Mapping[Key, Rank],
    known: set[Key],
    numbers: set[Key],
) -> bool:
    """Says whether a part recurs below, or stands above, names that look more like a person's."""
    rank = ranks[key]
    if _parted(mentions, stems, lambda found: {m.key for m in found} & known):
        return True
    if rank is Rank.COUNTER and _parted(mentions, stems, lambda found: {m.key for m in found} & numbers):
        return True
    higher = max(Rank.ID, rank + 1)
    return _parted(mentions, stems, lambda found: {k for k in _above(found, key) if ranks[k] >= higher})


def _counters(
    mentions: Mapping[str, Sequence[Mention]], files: Mapping[Key, Sequence[str]], ranks: Mapping[Key, Rank]
) -> set[Key]:
    """Returns short numbers that count the recordings of each name above them.

    ``anna/1``, ``anna/2``, ``ben/1`` are such; with as many numbers as names they could be people as well.
    """
    names: set[Key] = set()
    counting: set[Key] = set()
    for key, stems in files.items():
        short = ranks[key] is Rank.COUNTER or key.place == FILE
        if not short or len(stems) == len(mentions):
            continue
        above = [{k for k in _above(mentions[stem], key) if ranks[k] <= Rank.ID} for stem in stems]
        if all(above) and len(above) > 1 and not set.intersection(*above):
            counting.add(key)
            names |= set.union(*above)
    few = len(counting) <= FEW_COUNTERS or len(names) >= 2 * len(counting)
    return counting if few else set()


def _above(found: Sequence[Mention], key: Key) -> set[Key]:
    at = next(index for index, mention in enumerate(found) if mention.key == key)
    return {mention.key for mention in found[:at]} - {key}


def _parted(
    mentions: Mapping[str, Sequence[Mention]],
    stems: Sequence[str],
    pick: Callable[[Sequence[Mention]], set[Key]],
) -> bool:
    """Says whether two of the recordings have picked parts, and no part in common."""
    common: set[Key] | None = None
    for stem in stems:
        if here := pick(mentions[stem]):
            common = here if common is None else common & here
            if not common:
                return True
    return False


def _named(
    mentions: Mapping[str, Sequence[Mention]], files: Mapping[Key, Sequence[str]], dropped: set[Key]
) -> list[Tie]:
    best: dict[Key, tuple[int, str, str]] = {}
    wholes: dict[Key, set[str]] = defaultdict(set)
    for found in mentions.values():
        for mention in found:
            base = 60 if mention.part.rank is Rank.KNOWN else 40 if mention.place == DIRECTORY else 34
            base = base if mention.part.rank > Rank.COUNTER or mention.place == DIRECTORY else 10
            if mention.place == DIRECTORY:
                wholes[mention.key].add(mention.whole)
            told = (base + mention.part.rank, mention.place, mention.part.shown)
            held = best.setdefault(mention.key, told)
            # of several spellings the first in order, whichever file comes first
            if (-told[0], told[2]) < (-held[0], held[2]):
                best[mention.key] = told
    ties = []
    for key in sorted(files.keys() - dropped):
        strength, place, shown = best[key]
        site = key.site.strip("/")
        if strength < 60 and place == DIRECTORY and len(wholes[key]) == 1:
            shown = next(iter(wholes[key]))
        words = f"{shown!r} in the path" if place == DIRECTORY else f"{shown!r} in the file name"
        source = PATTERN if strength > 60 else place
        told = f"{words}, of {site}" if site else words
        ties.append(Tie(tuple(files[key]), source, shown, strength, told, site, key.text))
    return ties


def _whole_names(loose: Mapping[str, Mapping[str, Any]], codes: Mapping[str, str]) -> list[Tie]:
    """Returns ties of recordings whose path has nothing like a person's name: equal file names."""
    ties: list[Tie] = []
    for name, stems in _by(loose, lambda stem: patient_key(loose[stem]["file"])).items():
        shown = min(loose[stem]["file"] for stem in stems)
        parted = len({codes[stem] for stem in stems if stem in codes}) > 1
        for group in [(stem,) for stem in stems] if parted else [stems]:
            ties.append(Tie(group, FILE, shown or name, 0, f"the file name {shown!r}"))
    return ties


def _by(stems: Iterable[str], value: Callable[[str], str | None]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        if (found := value(stem)) is not None:
            groups[found].append(stem)
    return {found: tuple(members) for found, members in sorted(groups.items())}
