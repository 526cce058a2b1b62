"""Compares what several sources say of the seizures of one recording."""

from collections.abc import Sequence

from cookbooks.lamquant.annotations.marks import CRITICAL, SLACK_S, Event

Interval = tuple[float, float]


def seizures(events: Sequence[Event], span_s: float) -> list[Interval]:
    """Returns start and end of each seizure within a recording, in order; those that touch are one."""
    found: list[Interval] = []
    critical = [event for event in events if event.label == CRITICAL]
    for start, end in sorted((max(e.onset_s, 0.0), min(e.onset_s + e.duration_s, span_s)) for e in critical):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def agree(one: Sequence[Interval], other: Sequence[Interval]) -> bool:
    """Says whether two lists have the same seizures, to a second at either edge."""
    return len(one) == len(other) and all(
        abs(a - b) <= SLACK_S
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )
