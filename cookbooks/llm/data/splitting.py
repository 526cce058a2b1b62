"""Splits rows into train and eval, so that nothing of one is in the other.

Rows that share a key (`cookbooks.llm.data.keys`) are one group, and so are rows joined over others. Groups
are put in an order that depends on the seed and on what they say, never on where they stand, and taken for
eval until the share is reached: the same rows in another order are split alike, and a row added later moves
few.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cookbooks.llm.data.problems import DataError


@dataclass(frozen=True)
class RowSplit:
    """Says which rows are in eval, by place, and how the groups fell."""

    is_eval: list[bool]
    n_groups: int
    n_eval_groups: int
    largest_group: int

    @property
    def n_eval(self) -> int:
        """Returns the number of rows in eval."""
        return sum(self.is_eval)


def groups_of(keys: Sequence[Iterable[str]]) -> list[list[int]]:
    """Returns the places of rows that share a key, directly or over others; each group in order."""
    parent = list(range(len(keys)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    for place, row_keys in enumerate(keys):
        for key in row_keys:
            other = first.setdefault(key, place)
            parent[root(place)] = root(other)
    members: dict[int, list[int]] = defaultdict(list)
    for place in range(len(keys)):
        members[root(place)].append(place)
    return list(members.values())


def split_rows(keys: Sequence[Sequence[str]], eval_ratio: float, seed: int) -> RowSplit:
    """Split rows by their keys; the first key of each stands for what the row says.

    At least one row goes to each side. Where groups are large, eval may come out smaller than asked for, or
    larger if no group is small enough.

    Raises:
        DataError: there are not two groups.
    """
    if not 0 < eval_ratio < 1:
        raise DataError(f"eval_ratio = {eval_ratio}: choose a share between 0 and 1, such as 0.1")
    groups = groups_of(keys)
    if len(groups) < 2:
        raise DataError(_no_split(keys))
    target = min(max(round(len(keys) * eval_ratio), 1), len(keys) - 1)
    ordered = sorted(groups, key=lambda group: _rank(seed, [keys[place][0] for place in group]))
    chosen: list[list[int]] = []
    room = target
    for group in ordered:
        if len(group) <= room:
            chosen.append(group)
            room -= len(group)
    if not chosen:
        chosen = [min(ordered, key=len)]
    is_eval = [False] * len(keys)
    for place in (place for group in chosen for place in group):
        is_eval[place] = True
    return RowSplit(is_eval, len(groups), len(chosen), max(map(len, groups)))


def named_split(keys: Sequence[Sequence[str]], is_eval: list[bool]) -> RowSplit:
    """Returns the split that the files of a dataset have by name.

    Raises:
        DataError: a side is empty, or rows of both share a key.
    """
    train = {key for row_keys, held in zip(keys, is_eval, strict=True) if not held for key in row_keys}
    shared = sum(held and not train.isdisjoint(row) for row, held in zip(keys, is_eval, strict=True))
    if all(is_eval) or not any(is_eval):
        raise DataError("no usable row is left on one side of the split that the files have by name")
    if shared:
        raise DataError(
            f"{shared} of {sum(is_eval)} rows that are held out by the name of their file say what a row to"
            " train on says, or ask the same: take them out of one of the two, or set named_splits: ignore to"
            " split all rows anew"
        )
    groups = groups_of(keys)
    held_out = [group for group in groups if is_eval[group[0]]]
    return RowSplit(is_eval, len(groups), len(held_out), max(map(len, groups)))


def _rank(seed: int, says: list[str]) -> str:
    return hashlib.blake2b(f"{seed} {min(says)}".encode(), digest_size=16).hexdigest()


def _no_split(keys: Sequence[Sequence[str]]) -> str:
    if len(keys) < 2:
        return f"{len(keys)} row cannot be split into train and eval: give at least two that differ"
    shared: dict[str, int] = defaultdict(int)
    for key in (key for row_keys in keys for key in set(row_keys)):
        shared[key] += 1
    most = max(shared.values())
    return (
        f"all {len(keys)} rows hang together ({most} of them share one text), so none can be held out"
        " without leaking: give rows that differ more, or loosen same_prompt and same_answer where there are"
    )
