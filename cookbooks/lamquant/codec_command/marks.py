"""Turns annotations of a recording into what a .lqc file keeps of them: when, how long, which class."""

from collections.abc import Iterable, Sequence

from cookbooks.lamquant.annotations.marks import MOST_MARKS, Marked
from cookbooks.lamquant.annotations.vocabulary import (
    SHIPPED_VOCABULARY,
    Vocabulary,
    parse_vocabulary,
    read_vocabulary,
)
from cookbooks.lamquant.formats.edf.tal import Tal
from cookbooks.lamquant.lqc.container.header import Annotation

UNKNOWN = "UNKNOWN"
"""The class of a text that the vocabulary does not know."""


class TooMany(Exception):
    """Says that a recording has more annotations than anybody made."""


def shipped_vocabulary() -> Vocabulary:
    """Returns the vocabulary that comes with Blut."""
    return parse_vocabulary(read_vocabulary(SHIPPED_VOCABULARY), SHIPPED_VOCABULARY.name)


def annotations_of(
    tals: Iterable[Tal], begin_s: float, vocabulary: Vocabulary, *, keep_text: bool
) -> tuple[Annotation, ...]:
    """Returns the annotations in order of time.

    A start and an end that the vocabulary has as a pair are one annotation, unless the texts are kept.

    Args:
        tals: lists of the file.
        begin_s: when its first sample was taken, as the lists count.
        vocabulary: tells the class of a text.
        keep_text: whether what a person wrote is kept too.

    Raises:
        TooMany: there are more than can be annotations.
    """
    marks: list[Marked] = []
    for tal in tals:
        marks += [Marked(tal.onset_s - begin_s, tal.duration_s, text) for text in tal.texts]
        if len(marks) > MOST_MARKS:
            raise TooMany(f"more than {MOST_MARKS} annotations")
    marks.sort(key=lambda mark: mark.onset_s)
    classes = {text: _class_of(text, vocabulary) for text in {mark.text for mark in marks}}
    if keep_text:
        return tuple(
            Annotation(mark.onset_s, mark.duration_s, classes[mark.text], mark.text) for mark in marks
        )
    ends = _paired(marks, vocabulary)
    return tuple(
        Annotation(mark.onset_s, _duration(mark, marks, ends[index]), classes[mark.text])
        for index, mark in enumerate(marks)
        if ends[index] != -1
    )


def _class_of(text: str, vocabulary: Vocabulary) -> str:
    edge = vocabulary.edge_of(text)
    return (vocabulary.pairs[edge[0]].label if edge else vocabulary.class_of(text)) or UNKNOWN


def _duration(mark: Marked, marks: Sequence[Marked], end: int | None) -> float | None:
    return mark.duration_s if end is None else marks[end].onset_s - mark.onset_s


def _paired(marks: Sequence[Marked], vocabulary: Vocabulary) -> list[int | None]:
    """Returns for each mark which one ends it; -1 of an end that has its start, None of all others."""
    ends: list[int | None] = [None] * len(marks)
    begun: dict[int, int] = {}
    for index, mark in enumerate(marks):
        edge = vocabulary.edge_of(mark.text) if not mark.duration_s else None
        if edge is None:
            continue
        pair, is_start = edge
        if is_start:
            begun[pair] = index
        elif pair in begun:
            ends[begun.pop(pair)], ends[index] = index, -1
    return ends
