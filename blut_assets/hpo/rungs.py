"""Decides which trials train on, and how far: asynchronous successive halving, in one or several brackets.

A trial trains to the first rung and pauses. Whenever a rung has enough results, the best ``1/eta`` of them go
on to the next, from where they paused; a trial that was passed over goes on later, once more results beside
it make it one of the best. After Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020
(arXiv:1810.05934), algorithm 2; brackets after Li et al., Hyperband, 2018 (arXiv:1603.06560).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Ladder:
    """Holds the rungs of all brackets: the numbers of epochs after which trials are compared.

    Attributes:
        brackets: of each the rungs, the lowest first; the last one is the whole training.
        eta: one of so many goes on.
    """

    brackets: tuple[tuple[int, ...], ...]
    eta: int

    def rungs(self, number: int) -> tuple[int, ...]:
        """Returns the rungs of a trial; trials are dealt to brackets by their number.

        The lower a bracket begins, the more trials it gets, as each of its trials costs less.
        """
        if len(self.brackets) == 1:
            return self.brackets[0]
        weights = [self.eta ** (len(rungs) - 1) for rungs in self.brackets]
        place = (number - 1) * 7919 % sum(weights)  # spreads them: 7919 is a prime
        for rungs, weight in zip(self.brackets, weights, strict=True):
            if place < weight:
                return rungs
            place -= weight
        return self.brackets[-1]


def ladder(least: int, most: int, eta: int, *, hyperband: bool = False) -> Ladder:
    """Returns the rungs between two numbers of epochs.

    Args:
        least: epochs before the first comparison.
        most: epochs of the whole training.
        eta: by how much each rung is higher.
        hyperband: whether there is a bracket that begins at each rung.
    """
    rungs = [least]
    while rungs[-1] * eta < most:
        rungs.append(rungs[-1] * eta)
    whole = (*(one for one in rungs if one < most), most)
    starts = range(len(whole)) if hyperband else (0,)
    return Ladder(tuple(whole[start:] for start in starts), eta)


@dataclass(frozen=True)
class Climber:
    """Describes how far a trial has come.

    Attributes:
        values: by the epochs of each rung that it has reached, what was measured there, lower being better.
        waits: whether it is paused, and may go on.
    """

    number: int
    values: Mapping[int, float]
    waits: bool


def promoted(climbers: Sequence[Climber], steps: Ladder, *, last: bool = False) -> tuple[int, int] | None:
    """Returns which trial goes on, and to which rung; None if none is to go on yet.

    Args:
        climbers: the trials.
        last: whether no result will come any more: then the best of a rung goes on, however few there are.
    """
    for rungs in steps.brackets:
        own = [one for one in climbers if steps.rungs(one.number) == rungs]
        found = _promoted(own, rungs, steps.eta, last=last)
        if found:
            return found
    return None


def _promoted(
    climbers: Sequence[Climber], rungs: Sequence[int], eta: int, *, last: bool
) -> tuple[int, int] | None:
    for rung, above in reversed([*pairwise(rungs)]):
        there = sorted(
            (one for one in climbers if rung in one.values), key=lambda one: (one.values[rung], one.number)
        )
        count = len(there) // eta
        if last and there and not any(above in one.values for one in there):
            count = max(1, count)
        for one in there[:count]:
            if one.waits and max(one.values) == rung:
                return one.number, above
    return None
