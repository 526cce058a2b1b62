"""Joins recordings to units of splitting: all that any evidence says to be of one person."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.subjects.evidence import evidence_in
from cookbooks.lamquant.subjects.known import shared
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.ties import FILE, HEADER, PATTERN, Tie, ties_of

STATED, CONTENT, KNOWN_FACT, SEGMENTS = "stated", "content", "known fact", "segments"
SAID = (STATED, HEADER, PATTERN)
"""What is shown of a single recording too."""
SURE = (CONTENT, SEGMENTS)
"""What no statement about people undoes: the same samples stay on one side, whoever they are of."""


class Contradiction(Refused, ValueError):
    """Says that the stated subjects leave a recording between two of them; names it, and the remedy."""


@dataclass(frozen=True)
class Patient:
    """Holds a unit of splitting: the recordings of one person, as far as anything shows.

    Attributes:
        name: its most telling evidence; no two units have names that are spellings of each other.
        key: what its side is drawn by; it is the same when other recordings come or go.
        source: what the name is from.
        evidence: all that ties its recordings, in words.
        names_only: whether nothing but names of files and directories says who it is.
    """

    name: str
    key: str
    source: str
    stems: tuple[str, ...]
    evidence: tuple[str, ...]
    names_only: bool


@dataclass(frozen=True)
class People:
    """Holds the units of a corpus by stem, the ties that made them, and what was taken for no evidence."""

    units: dict[str, Patient]
    ties: tuple[Tie, ...]
    ignored: tuple[str, ...]

    def all(self) -> list[Patient]:
        """Returns every unit once, by name."""
        return sorted({unit.name: unit for unit in self.units.values()}.values(), key=lambda unit: unit.name)

    def chain(self, start: str, goals: Iterable[str]) -> list[str]:
        """Returns in words what leads from one recording to the nearest of others in its unit."""
        return _chain(self.ties, start, set(goals))


def units(entries: Sequence[Mapping[str, Any]]) -> dict[str, Patient]:
    """Returns the unit of each recording in ``corpus.json``, by stem; their content is not looked at."""
    return joined(entries).units


def joined(
    entries: Sequence[Mapping[str, Any]],
    content: Sequence[Tie] = (),
    stated: Mapping[str, str] | None = None,
) -> People:
    """Returns the people of a corpus.

    Args:
        entries: those of ``corpus.json``.
        content: ties of recordings that share samples.
        stated: the subject of a recording, by stem, where somebody stated it; that settles what other
            evidence says of it, but not that it shares samples.

    Raises:
        Contradiction: a recording without a stated subject is tied to two of them.
    """
    ties, ignored = _ties(entries)
    if stated:
        ties = [tie for tie in ties if tie.source in SURE or not _settled(tie, stated)]
        by_subject: dict[str, list[str]] = defaultdict(list)
        for stem, subject in sorted(stated.items()):
            by_subject[patient_key(subject)].append(stem)
        for stems in by_subject.values():
            name = min(stated[stem] for stem in stems)
            ties.append(Tie(tuple(stems), STATED, name, 100, f"the stated subject {name!r}"))
        _refuse_between(_people_of(entries, ties, ()), stated)
    return _people_of(entries, [*ties, *content], ignored)


def _settled(tie: Tie, stated: Mapping[str, str]) -> bool:
    """Says whether a tie is undone, since its recordings are stated to be of several people."""
    subjects = {patient_key(stated[stem]): stem for stem in tie.stems if stem in stated}
    unstated = [stem for stem in tie.stems if stem not in stated]
    if len(subjects) > 1 and unstated:
        raise Contradiction(
            f"subjects: {unstated[0]} shares {tie.words} with {' and '.join(sorted(subjects.values())[:2])},"
            " which are stated to be of different people: state its subject as well"
        )
    return len(subjects) > 1


def _refuse_between(people: People, stated: Mapping[str, str]) -> None:
    for unit in people.all():
        first: dict[str, str] = {}
        for stem in unit.stems:
            if stem in stated:
                first.setdefault(patient_key(stated[stem]), stem)
        if len(first) > 1:
            one, other = sorted(first.values())[:2]
            raise Contradiction(
                f"subjects: {one} and {other} are stated to be of different people, but"
                f" {'; '.join(people.chain(one, [other]))}: state the subjects of the recordings between them"
            )


def _ties(entries: Sequence[Mapping[str, Any]]) -> tuple[list[Tie], list[str]]:
    by_root: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    ties: list[Tie] = []
    ignored: list[str] = []
    segments: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry["stem"]):
        evidence = evidence_in(entry)
        if "subject" in evidence:
            name = evidence["subject"]
            ties.append(Tie((entry["stem"],), FILE, name, 50, f"subject {name!r}"))
        else:
            by_root[evidence["root"]][entry["stem"]] = evidence
        segments[evidence["root"], entry.get("recording") or entry["stem"]].append(entry["stem"])
    for root, evidence in sorted(by_root.items()):
        found = ties_of(evidence, alone=len(by_root) == 1)
        ties += [tie._replace(scope=f"{root}/{tie.scope}".strip("/")) for tie in found.ties]
        ignored += [f"{root}: {one}" if root else one for one in found.ignored]
    for (_, name), stems in segments.items():
        if len(stems) > 1:
            ties.append(Tie(tuple(stems), SEGMENTS, "", -1, f"the file {name}, of which they are segments"))
    return [*ties, *_spellings(ties), *_shared(ties)], ignored


def _spellings(ties: Sequence[Tie]) -> list[Tie]:
    """Find spellings of one subject in an index of before."""
    spelled: dict[str, list[Tie]] = defaultdict(list)
    for tie in ties:
        if tie.strength == 50:
            spelled[patient_key(tie.name)].append(tie)
    return [
        Tie(
            tuple(stem for tie in same for stem in tie.stems),
            FILE,
            min(tie.name for tie in same),
            50,
            "spellings of one name: " + ", ".join(sorted({repr(tie.name) for tie in same})),
        )
        for same in spelled.values()
        if len({tie.name for tie in same}) > 1
    ]


def _shared(ties: Sequence[Tie]) -> list[Tie]:
    """Returns ties between cases of public corpora that are known to be one person."""
    facts: dict[Any, list[str]] = defaultdict(list)
    for tie in ties:
        if tie.source == PATTERN and (fact := shared(patient_key(tie.name))):
            facts[fact] += tie.stems
    return [
        Tie(tuple(dict.fromkeys(stems)), KNOWN_FACT, "", -1, f"{fact.fact} ({fact.source})")
        for fact, stems in facts.items()
    ]


def _people_of(
    entries: Sequence[Mapping[str, Any]], ties: Sequence[Tie], ignored: Sequence[str] = ()
) -> People:
    """Returns the units that these ties make."""
    of_stem: dict[str, list[int]] = defaultdict(list)
    for index, tie in enumerate(ties):
        for stem in tie.stems:
            of_stem[stem].append(index)
    groups: list[list[str]] = []
    seen: set[str] = set()
    used: set[int] = set()
    for stem in sorted(entry["stem"] for entry in entries):
        if stem in seen:
            continue
        group, queue = {stem}, [stem]
        while queue:
            fresh_ties = set(of_stem[queue.pop()]) - used
            used |= fresh_ties
            fresh = {other for index in fresh_ties for other in ties[index].stems} - group
            group |= fresh
            queue += fresh
        seen |= group
        groups.append(sorted(group))
    named = _named([(group, _own(group, of_stem, ties)) for group in groups])
    return People({stem: unit for unit in named for stem in unit.stems}, tuple(ties), tuple(ignored))


def _own(group: Sequence[str], of_stem: Mapping[str, Sequence[int]], ties: Sequence[Tie]) -> list[Tie]:
    return [ties[index] for index in sorted({index for stem in group for index in of_stem[stem]})]


def _named(groups: Sequence[tuple[list[str], list[Tie]]]) -> list[Patient]:
    """Name each group by its most telling tie; where two would be called alike, by its source as well."""
    best = [_telling(ties) for _, ties in groups]
    names = _apart([tie.name for tie in best], [tie.scope for tie in best], [stems[0] for stems, _ in groups])
    made = []
    for (stems, ties), tie, name in zip(groups, best, names, strict=True):
        telling = [one for one in ties if len(one.stems) > 1 or one is tie or one.source in SAID]
        ordered = sorted(
            {one.words: one for one in telling}.values(), key=lambda one: (-one.strength, one.words)
        )
        evidence = tuple(one.words for one in ordered)
        names_only = not any(one.source in (STATED, HEADER) for one in ties)
        made.append(
            Patient(name, patient_key(tie.alias or tie.name), tie.source, tuple(stems), evidence, names_only)
        )
    return made


def _apart(names: list[str], scopes: Sequence[str], stems: Sequence[str]) -> list[str]:
    """Returns the names, longer where two are spellings of one."""
    for others in (scopes, stems):
        count: dict[str, int] = defaultdict(int)
        for name in names:
            count[patient_key(name)] += 1
        names = [
            f"{other}/{name}" if count[patient_key(name)] > 1 and other else name
            for name, other in zip(names, others, strict=True)
        ]
    return names


def _telling(ties: Sequence[Tie]) -> Tie:
    return min(ties, key=lambda tie: (-tie.strength, patient_key(tie.name)))


def _chain(ties: Sequence[Tie], start: str, goals: set[str]) -> list[str]:
    of_stem: dict[str, list[Tie]] = defaultdict(list)
    for tie in ties:
        for stem in tie.stems:
            of_stem[stem].append(tie)
    came: dict[str, tuple[str, Tie]] = {}
    queue = deque([start])
    while queue:
        stem = queue.popleft()
        if stem in goals:
            return _steps(came, start, stem)
        for tie in of_stem[stem]:
            for other in tie.stems:
                if other not in came and other != start:
                    came[other] = (stem, tie)
                    queue.append(other)
    return []


def _steps(came: Mapping[str, tuple[str, Tie]], start: str, goal: str) -> list[str]:
    steps = []
    while goal != start:
        before, tie = came[goal]
        told = f"{before} and {goal} share {tie.words}"
        steps.append(f"{before}, {goal}: {tie.words}" if tie.source == KNOWN_FACT else told)
        goal = before
    return steps[::-1]
