"""Tells people apart by what their headers say: a code, and a name with a birth date."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cookbooks.lamquant.subjects.mentions import DIRECTORY, Mention
from cookbooks.lamquant.subjects.parts import Rank

LEAST_NAMES = 3
"""Names that a value of a header has to cut across, before it is taken for that of a batch."""
SHOWN = 3


class Headers(NamedTuple):
    """Holds code, and name with birth date, of each recording whose header has them, and who is who."""

    codes: dict[str, str]
    persons: dict[str, str]
    who: dict[str, str]

    def people(self, stems: Iterable[str]) -> int:
        """Returns how many people the headers of these recordings tell apart.

        A recording without a code is nobody else than one with a code; neither is one without a name.
        """
        stems = list(stems)
        told = (
            {self.who[kind[stem]] for stem in stems if stem in kind} for kind in (self.codes, self.persons)
        )
        return max(map(len, told))


def headers_of(
    evidence: Mapping[str, Mapping[str, Any]],
    mentions: Mapping[str, Sequence[Mention]],
    *,
    one_person: bool,
) -> tuple[Headers, list[str]]:
    """Returns what the headers of one source say, and in words what of it was taken for no evidence.

    Args:
        mentions: what each path mentions, by stem.
        one_person: whether a value that all headers have is taken for that of one person.
    """
    ignored: list[str] = []
    kept: list[dict[str, str]] = []
    for field, words in (("header", "patient code"), ("person", "name and birth date")):
        values = {stem: str(one[field]) for stem, one in evidence.items() if one.get(field)}
        if not one_person and 1 < len(evidence) == len(values) and len(set(values.values())) == 1:
            ignored.append(f"the {words} {next(iter(values.values()))}, which every header has")
            values = {}
        batch, names = _batch(values, mentions)
        if batch:
            listed, across = ", ".join(sorted(batch)[:SHOWN]), ", ".join(map(repr, sorted(names)[:SHOWN]))
            ignored.append(
                f"the {words}s {listed}{' and others' * (len(batch) > SHOWN)}: {len(batch)} that recur under"
                f" each of {len(names)} names, such as {across}, as those of exports do"
            )
        kept.append({stem: value for stem, value in values.items() if value not in batch})
    return Headers(kept[0], kept[1], _who(*kept)), ignored


def _who(codes: Mapping[str, str], persons: Mapping[str, str]) -> dict[str, str]:
    """Returns one value for all that are of one person: a recording that has both joins them."""
    parent = {value: value for value in (*codes.values(), *persons.values())}

    def top(value: str) -> str:
        while parent[value] != value:
            parent[value] = value = parent[parent[value]]
        return value

    for stem in codes.keys() & persons.keys():
        one, other = sorted((top(codes[stem]), top(persons[stem])))
        parent[other] = one
    return {value: top(value) for value in parent}


def _batch(values: Mapping[str, str], mentions: Mapping[str, Sequence[Mention]]) -> tuple[set[str], set[str]]:
    """Returns values that tell exports or years apart instead of people, and the names that they cut across.

    Each of several names holds several of them, each of them recurs below most of these names, and there are
    fewer of them than names. No identifier in a path goes with one of them alone.
    """
    holds: dict[tuple[str, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    with_id: dict[str, set[str]] = defaultdict(set)
    for stem, value in values.items():
        for mention in mentions[stem]:
            if mention.part.rank >= Rank.WORD:
                directory = mention.place == DIRECTORY
                name = mention.whole.casefold() if directory else mention.key.text
                holds[mention.place, mention.depth if directory else 0][name].add(value)
            if mention.part.rank >= Rank.ID:
                with_id[mention.key.text].add(value)
    backed = {next(iter(one)) for one in with_id.values() if len(one) == 1}
    for names in holds.values():
        several = {name: held for name, held in names.items() if len(held) > 1}
        across = {
            v: {name for name, held in several.items() if v in held} for v in set().union(*several.values())
        }
        recurring = {v for v, own in across.items() if len(own) >= max(LEAST_NAMES, len(several) / 2)}
        crossed = {name for name, held in several.items() if len(held & recurring) > 1}
        enough = 2 * len(several) > len(names) and 1 < len(recurring) < len(crossed)
        if enough and not recurring & backed:
            return recurring, crossed
    return set(), set()
