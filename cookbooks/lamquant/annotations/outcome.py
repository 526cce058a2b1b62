"""Decides what is kept of all that the sources say of one recording, or why nothing is."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cookbooks.lamquant.annotations.agreement import Interval, agree, seizures
from cookbooks.lamquant.annotations.classify import Classified, Unknown, classified
from cookbooks.lamquant.annotations.marks import (
    BACKGROUND,
    CRITICAL,
    FAMILIES,
    About,
    BadSource,
    Event,
    Reading,
)
from cookbooks.lamquant.annotations.vocabulary import Vocabulary

State = Literal["annotated", "unannotated", "refused"]
Read = Callable[[], Reading | None]


@dataclass
class Labelling:
    """Holds what is known of one recording.

    Attributes:
        sources: those that spoke, in order.
        events: by the stem of each entry, in seconds from its start.
        tells_seizures: whether somebody looked for seizures, so that no event means that there was none.
        dropped: events that lie outside, or in a gap.
        problem: why it is refused.
        claims: where sources disagree, the seizures that each of them lists.
        texts: how often each text was met, by source and class.
    """

    state: State
    sources: list[str] = field(default_factory=list)
    events: dict[str, list[Event]] = field(default_factory=dict)
    tells_seizures: bool = False
    dropped: int = 0
    problem: str = ""
    remedy: str = ""
    claims: dict[str, list[Interval]] = field(default_factory=dict)
    texts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def refuse(self, source: str, problem: str, remedy: str) -> "Labelling":
        """Returns it without labels, and why."""
        self.state, self.events = "refused", {}
        self.problem, self.remedy = f"{source}: {problem}", remedy
        return self


def decide(
    about: About, reads: Iterable[tuple[str, Read]], vocabulary: Vocabulary, unknown: Unknown
) -> Labelling:
    """Returns the events of one recording.

    All sources are asked. That which tells seizures first decides on them and on the background; other
    classes are taken from each.

    Args:
        reads: sources in order, and how each is read.
        unknown: what becomes of texts that the vocabulary does not know.
    """
    found = Labelling("unannotated")
    spoke: list[Classified] = []
    for source, read in reads:
        try:
            reading = read()
            said = classified(reading, vocabulary, unknown) if reading else None
        except BadSource as bad:
            found.sources.append(source)
            return found.refuse(source, bad.problem, bad.remedy)
        if said:
            found.texts.update({(source, *key): n for key, n in said.texts.items()})
            if source in found.sources:
                return found.refuse(source, "two lists of this kind speak of it", "take one of them away")
            found.sources.append(source)
            strange = len({text for label, text in said.texts if not label})
            if strange and unknown == "refuse":
                return found.refuse(source, _unknown(strange), UNKNOWN_REMEDY)
            spoke += [said] if said.says_something else []
    found.sources = [one.source for one in spoke]
    if not spoke:
        return found
    telling = [one for one in spoke if one.tells_seizures]
    lists = {one.source: seizures(one.events, about.span_s) for one in telling}
    if telling and not all(agree(lists[telling[0].source], other) for other in lists.values()):
        found.claims = lists
        return found.refuse(" and ".join(lists), "they do not agree on the seizures", _disagreement(lists))
    found.state, found.tells_seizures = "annotated", bool(telling)
    _place(found, about, _merged(spoke, telling[:1]))
    return found


def _unknown(n: int) -> str:
    return f"{n} text{'s' if n > 1 else ''} that the vocabulary does not know"


UNKNOWN_REMEDY = (
    "see them with `python -m cookbooks.lamquant.annotations DIRECTORY`,"
    " and name them in a vocabulary of your own"
)


def _disagreement(sources: Iterable[str]) -> str:
    names = [family for family, members in FAMILIES.items() if any(source in members for source in sources)]
    if len(names) == 1:
        return "correct one of them, or take it away"
    return f"say which is right: labels={' or labels='.join(names)}"


def _merged(spoke: Sequence[Classified], telling: Sequence[Classified]) -> list[Event]:
    events = [
        event
        for one in spoke
        for event in one.events
        if one in telling or event.label not in (CRITICAL, BACKGROUND)
    ]
    return sorted(set(events), key=lambda event: (event.onset_s, event.label, event.duration_s, event.source))


def _place(found: Labelling, about: About, events: Sequence[Event]) -> None:
    """Give each entry its part of the events; what touches none of them is dropped."""
    found.events = {piece.stem: [] for piece in about.pieces}
    for event in events:
        kept = False
        for piece in about.pieces:
            start = max(event.onset_s, piece.onset_s)
            end = min(event.onset_s + event.duration_s, piece.onset_s + piece.duration_s)
            if end > start:
                kept = True
                where = round(start - piece.onset_s, 6)
                found.events[piece.stem].append(
                    event._replace(onset_s=where, duration_s=round(end - start, 6))
                )
        found.dropped += not kept
