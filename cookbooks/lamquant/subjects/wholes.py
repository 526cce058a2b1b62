"""Takes a name as a whole where each part alone is of several people: ``A-001`` of a site and a number."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import groupby
from typing import NamedTuple

from cookbooks.lamquant.subjects.headers import Headers
from cookbooks.lamquant.subjects.mentions import DIRECTORY, FILE, Key, Mention
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.parts import Rank

MOST_WORDS = 8
"""Words of a file name that are looked at."""


class Whole(NamedTuple):
    """Holds recordings that a whole name joins; ``text`` is the name as compared, ``shown`` as spelled."""

    stems: tuple[str, ...]
    site: str
    text: str
    shown: str
    place: str
    rank: Rank


class _Named(NamedTuple):
    text: str
    mentions: Sequence[Mention]
    spelled: str = ""

    def shown(self) -> str:
        if self.spelled:
            return self.spelled
        file = "_".join(mention.part.shown for mention in self.mentions if mention.place != DIRECTORY)
        names = (mention.whole if mention.place == DIRECTORY else file for mention in self.mentions)
        return "/".join(dict.fromkeys(names))


def wholes_of(
    raw: Mapping[str, Sequence[Mention]],
    mentions: Mapping[str, Sequence[Mention]],
    headers: Headers,
    parted: Set[Key],
    dropped: Set[Key],
) -> list[Whole]:
    """Returns the whole names that join recordings; none of them is of two people by their headers.

    Args:
        raw: what each path mentions, by stem; ``mentions`` are the same without dates.
        parted: parts that join nobody, since headers tell people apart under them.
        dropped: all parts that join nobody.
    """
    stems: dict[tuple[str, str], dict[str, _Named]] = defaultdict(dict)
    for stem, found in mentions.items():
        if any(mention.key in parted for mention in found):
            for named in _names(raw[stem], found, parted, dropped):
                stems[named.mentions[0].key.site, named.text].setdefault(stem, named)
    wholes: list[Whole] = []
    unsure: list[Whole] = []
    for (site, text), named in sorted(stems.items()):
        rank = max(mention.part.rank for one in named.values() for mention in one.mentions)
        people = headers.people(named)
        if people > 1 or _of_several(named, mentions, dropped, rank):
            continue
        place, shown = min((one.mentions[0].place, one.shown()) for one in named.values())
        whole = Whole(tuple(named), site.strip("/"), text, shown, place, rank)
        (wholes if people else unsure).append(whole)
    below = _below(wholes)
    return wholes + [whole for whole in unsure if not _differ(below, whole.stems)]


def _names(
    raw: Sequence[Mention], found: Sequence[Mention], parted: Set[Key], dropped: Set[Key]
) -> Iterator[_Named]:
    """Give each name of a path none of whose parts joins, and all of them together."""
    undated = found if len(found) == len(raw) else set(found)
    for _, group in groupby(raw, key=lambda mention: mention.depth):
        every = list(group)
        parts = every if undated is found else [mention for mention in every if mention in undated]
        if not any(mention.key in parted for mention in parts) or _joins(parts, dropped):
            continue
        if every[0].place == DIRECTORY:
            yield _Named(f"{patient_key(every[0].whole)}/", every, every[0].whole)
        else:
            yield from _runs(every[0].whole, parts)
        yield from _together(parts, every)
    if not _joins(found, dropped):
        directories = [m for m in raw if m.place == DIRECTORY]
        yield from _together([m for m in directories if m in undated], directories)
        if directories:
            yield from _together(found, raw)


def _runs(name: str, parts: Sequence[Mention]) -> Iterator[_Named]:
    """Give each run of words of a file name that has a part in it: what is before and behind may count."""
    words = re.findall(r"[^\W_]+", patient_key(name))[:MOST_WORDS]
    keys = {mention.key.text for mention in parts}
    for first in range(len(words) - 1):
        for end in range(first + 2, len(words) + 1):
            if not keys.isdisjoint(words[first:end]):
                run = " ".join(words[first:end])
                yield _Named(run, parts, run)


def _joins(parts: Iterable[Mention], dropped: Set[Key]) -> bool:
    """Says whether one of the parts joins, but a short number of a file, which may count its recordings."""
    return any(mention.key.place != FILE and mention.key not in dropped for mention in parts)


def _together(undated: Sequence[Mention], every: Sequence[Mention]) -> Iterator[_Named]:
    """Give parts together; of a file name also without its last ones, which may count."""
    for parts in (undated, every) if len(undated) < len(every) else (every,):
        directories = sum(mention.place == DIRECTORY for mention in parts)
        for count in range(max(2, directories), len(parts) + 1):
            some = parts[:count]
            yield _Named(" ".join([mention.key.text for mention in some]), some)


def counters_below(files: Mapping[Key, Sequence[str]], wholes: Sequence[Whole]) -> set[Key]:
    """Returns short numbers in file names that recur below several whole names: counts of recordings."""
    below = _below(wholes)
    return {key for key, stems in files.items() if key.place == FILE and _differ(below, stems)}


def _below(wholes: Sequence[Whole]) -> dict[str, set[int]]:
    below: dict[str, set[int]] = defaultdict(set)
    for index, whole in enumerate(wholes):
        for stem in whole.stems:
            below[stem].add(index)
    return below


def _differ(below: Mapping[str, set[int]], stems: Sequence[str]) -> bool:
    names = [below[stem] for stem in stems if stem in below]
    return bool(names) and not set.intersection(*names)


def _of_several(
    stems: Collection[str], mentions: Mapping[str, Sequence[Mention]], dropped: Set[Key], rank: Rank
) -> bool:
    """Says whether a name is everywhere, or recurs beside names that look more like a person's."""
    if len(stems) == len(mentions):
        return True
    common: set[Key] | None = None
    for stem in stems:
        better = {m.key for m in mentions[stem] if m.key not in dropped and m.part.rank > rank}
        if better:
            common = better if common is None else common & better
            if not common:
                return True
    return False
