"""Turns the marks of one source into events of known classes, by a vocabulary."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from cookbooks.lamquant.annotations.marks import (
    BACKGROUND,
    CRITICAL,
    IGNORED,
    INTERESTING,
    BadSource,
    Event,
    Marked,
    Reading,
)
from cookbooks.lamquant.annotations.vocabulary import Vocabulary, normal

Unknown = Literal["refuse", "interesting"]


@dataclass
class Classified:
    """Holds the events of one source.

    Attributes:
        texts: how often each text was met, by its class; ``""`` for those that are not known.
        tells_seizures: whether it says when there were seizures and, by that, when there were none.
    """

    source: str
    events: list[Event]
    tells_seizures: bool
    texts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def says_something(self) -> bool:
        """Says whether somebody has looked at the signal: notes on the recording do not count."""
        return self.tells_seizures or bool(self.events)


def classified(reading: Reading, vocabulary: Vocabulary, unknown: Unknown) -> Classified:
    """Returns the events of a source; unknown texts are counted, and are events if that is asked for.

    Raises:
        BadSource: a pair of marks has a start or an end only.
    """
    found = Classified(reading.source, [], reading.lists_seizures)
    open_: dict[int, Marked] = {}
    labels = {text: vocabulary.class_of(text) for text in {mark.text for mark in reading.marks}}
    for mark in sorted(reading.marks, key=lambda one: one.onset_s):
        edge = vocabulary.edge_of(mark.text) if mark.duration_s is None else None
        if edge:
            pair = vocabulary.pairs[edge[0]]
            found.texts[pair.label, normal(mark.text)] += 1
            _join(found, open_, mark, edge, pair.label)
            continue
        label = labels[mark.text]
        found.texts[label or "", normal(mark.text)] += 1
        if label is None and unknown == "interesting":
            label = INTERESTING
        if label not in (None, IGNORED):
            duration = vocabulary.point_s if mark.duration_s is None else mark.duration_s
            found.events.append(Event(label, mark.onset_s, duration, reading.source))
    if open_:
        raise BadSource(f"{len(open_)} starts of a pair have no end")
    found.tells_seizures |= any(event.label in (CRITICAL, BACKGROUND) for event in found.events)
    return found


def _join(
    found: Classified, open_: dict[int, Marked], mark: Marked, edge: tuple[int, bool], label: str
) -> None:
    pair, is_start = edge
    if is_start == (pair in open_):
        raise BadSource("the starts and ends of a pair do not take turns")
    if is_start:
        open_[pair] = mark
        return
    start = open_.pop(pair)
    if mark.onset_s <= start.onset_s:
        raise BadSource("the end of a pair is not after its start")
    if label != IGNORED:
        found.events.append(Event(label, start.onset_s, mark.onset_s - start.onset_s, found.source))
