"""Finds what ties the recordings of one source to each other: codes of headers, parts of names.

A part of a directory's or file's name joins only where nothing speaks against it: two header codes under it,
two people whose names a standard tells, or that it recurs below names which look more like a person's. Where
two readings of a tree are possible, it is read in both ways: who joins too much parts no patient.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cookbooks.lamquant.subjects.headers import Headers, headers_of
from cookbooks.lamquant.subjects.mentions import DIRECTORY, FILE, Key, Mention, mentions_in, without_dates
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.parts import Rank
from cookbooks.lamquant.subjects.wholes import Whole, counters_below, wholes_of

HEADER, PATTERN = "patient code", "file pattern"
FEW_COUNTERS = 2
"""So many numbers below names count the recordings of each; of more, a split of people could be made."""


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
    raw = {stem: mentions_in(one) for stem, one in evidence.items()}
    mentions = without_dates(raw)
    telling = any(mention.part.rank >= Rank.WORD for found in mentions.values() for mention in found)
    headers, ignored = headers_of(evidence, mentions, one_person=not (alone or telling))
    files: dict[Key, list[str]] = defaultdict(list)
    for stem, found in mentions.items():
        for key in dict.fromkeys(mention.key for mention in found):
            files[key].append(stem)
    dropped = _dropped(mentions, files, headers)
    wholes = wholes_of(raw, mentions, headers, dropped.parted.keys(), dropped.keys)
    dropped.keys.update(counters_below(files, wholes))
    ignored += [f"{name!r}, {why}" for name, why in dropped.told.items()]
    ignored += _told(files, dropped.parted, wholes)
    ties = [
        Tie(stems, HEADER, code, 30, f"the patient code {code} in the header")
        for code, stems in _by(evidence, headers.codes.get).items()
    ]
    ties += [
        Tie(stems, HEADER, person, 29, f"the name and birth date {person} in the header")
        for person, stems in _by(evidence, headers.persons.get).items()
    ]
    ties += _named(mentions, files, dropped.keys)
    ties += [_of_whole(whole) for whole in wholes]
    tied = {stem for stem, found in mentions.items() if {mention.key for mention in found} - dropped.keys}
    tied |= {stem for whole in wholes for stem in whole.stems}
    loose = {stem: one for stem, one in evidence.items() if stem not in tied}
    ties += _whole_names(loose, headers)
    return RootTies(ties, ignored)


def _of_whole(whole: Whole) -> Tie:
    words = f"the whole of {whole.shown!r} in the {'path' if whole.place == DIRECTORY else 'file name'}"
    strength = (40 if whole.place == DIRECTORY else 34) + whole.rank
    return Tie(whole.stems, whole.place, whole.shown, strength, words, whole.site, whole.text)


def _told(
    files: Mapping[Key, Sequence[str]], parted: Mapping[Key, int], wholes: Sequence[Whole]
) -> list[str]:
    """Returns in words which parts join nobody since headers tell people apart, and what does instead."""
    instead: dict[str, str] = {}
    for whole in wholes:
        for stem in whole.stems if len(whole.stems) > 1 else ():
            instead.setdefault(stem, whole.shown)
    told = {}
    for key, people in sorted(parted.items(), key=lambda one: (one[0].text.isdigit(), one)):
        shown = next((instead[stem] for stem in files[key] if stem in instead), None)
        decides = f" (the whole name decides, such as {shown!r})" if shown else ""
        told[key.text] = f"{key.text!r}, under which {people} different patient codes stand{decides}"
    return list(told.values())


class _Dropped(NamedTuple):
    """Holds the parts that join nobody; those that would, if headers did not tell people apart."""

    keys: set[Key]
    told: dict[str, str]
    parted: dict[Key, int]


def _dropped(
    mentions: Mapping[str, Sequence[Mention]], files: Mapping[Key, Sequence[str]], headers: Headers
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
    keys, told, parted = set(counters), dict[str, str](), dict[Key, int]()
    for key, stems in files.items():
        whole = len(mentions) == len(stems) > 1
        group = (
            ranks[key] is not Rank.KNOWN
            and key not in everywhere
            and _names_a_group(key, stems, varying, ranks, known_keys, numbers)
        )
        people = headers.people(stems)
        if people > 1:
            keys.add(key)
            if not (group or key in counters or (whole and ranks[key] <= Rank.WORD)):
                parted[key] = people
        elif whole and ranks[key] < Rank.SUBJECT:
            keys.add(key)
            if ranks[key] > Rank.WORD or any(
                m.key == key and m.place == DIRECTORY for m in mentions[stems[0]]
            ):
                told[key.text] = "which is in every path"
        elif group:
            keys.add(key)
    return _Dropped(keys, told, parted)


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


def _whole_names(loose: Mapping[str, Mapping[str, Any]], headers: Headers) -> list[Tie]:
    """Returns ties of recordings whose path has nothing like a person's name: equal file names."""
    ties: list[Tie] = []
    for name, stems in _by(loose, lambda stem: patient_key(loose[stem]["file"])).items():
        shown = min(loose[stem]["file"] for stem in stems)
        parted = headers.people(stems) > 1
        for group in [(stem,) for stem in stems] if parted else [stems]:
            ties.append(Tie(group, FILE, shown or name, 0, f"the file name {shown!r}"))
    return ties


def _by(stems: Iterable[str], value: Callable[[str], str | None]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        if (found := value(stem)) is not None:
            groups[found].append(stem)
    return {found: tuple(members) for found, members in sorted(groups.items())}
