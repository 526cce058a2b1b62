"""Finds the partitions that a command is for, and runs something for each of them."""

from collections.abc import Callable, Sequence

import dagster as dg

from blut_assets.stages.partitions import listed
from blut_assets.terminal.output import wrong
from blut_resources.text import meant

ALL, TO = "all", "..."
INTERRUPTED = 130
LATE = 124
"""The status of a command whose run ended at its deadline, as timeout(1) has it."""


def chosen_keys(
    instance: dg.DagsterInstance,
    what: str,
    partitions: dg.PartitionsDefinition | None,
    words: Sequence[str],
    remedy: str = "",
) -> list[str | None]:
    """Returns the partitions that words of a person name, each once; ``[None]`` where there are none to name.

    Ends the command with status 2 where a key is missing, unknown, or not asked for.

    Args:
        what: a recipe or an asset.
        words: keys, ``FIRST...LAST``, or ``all``; a key that is called like one of these is that key.
        remedy: how a key is added, where that can be done.
    """
    if partitions is None:
        if words:
            wrong(f"--partition {words[0]}: {what} has no partitions")
        return [None]
    keys = partitions.get_partition_keys(dynamic_partitions_store=instance)
    there = listed(keys) or f"none{remedy}"
    if not words:
        wrong(
            f"{what} has partitions: say which with --partition KEY, or --partition {ALL}; there are: {there}"
        )
    found: dict[str, None] = {}
    for word in words:
        found |= dict.fromkeys(_meant(word, keys, there, what, remedy))
    return [*found]


def _meant(word: str, keys: Sequence[str], there: str, what: str, remedy: str) -> Sequence[str]:
    if word in keys:
        return [keys[keys.index(word)]]  # the key itself, which may know its dimensions
    if word == ALL and keys:
        return keys
    first, between, last = word.partition(TO)
    if between and first in keys and last in keys:
        begin, end = keys.index(first), keys.index(last)
        if begin > end:
            wrong(f"--partition {word}: {first} comes after {last}: write {last}{TO}{first}")
        return keys[begin : end + 1]
    unknown = next((key for key in (first, last) if between and key not in keys), word)
    near = meant(unknown, keys) or remedy
    wrong(f"--partition {word}: {what} has no partition {unknown!r}{near}; there are: {there}")


def change_keys(
    instance: dg.DagsterInstance,
    what: str,
    partitions: dg.PartitionsDefinition | None,
    add: Sequence[str],
    remove: Sequence[str],
) -> None:
    """Add and remove partitions that come and go; ends the command with status 2 where that cannot be."""
    if not add and not remove:
        return
    if not isinstance(partitions, dg.DynamicPartitionsDefinition) or partitions.name is None:
        wrong(
            f"{what} {'has no partitions' if partitions is None else 'has the partitions of its cookbook'}:"
            " none can be added or removed here"
        )
    there = instance.get_dynamic_partitions(partitions.name)
    if unknown := [key for key in remove if key not in there]:
        wrong(f"--remove {unknown[0]}: {what} has no such partition; there are: {listed(there) or 'none'}")
    if bad := [key for key in add if not key.strip() or TO in key or key == ALL or not key.isprintable()]:
        wrong(f"--add {bad[0]!r}: a key is a line of text, neither {ALL!r} nor with {TO!r} in it")
    instance.add_dynamic_partitions(partitions.name, [key for key in add if key not in there])
    for key in remove:
        instance.delete_dynamic_partition(partitions.name, key)


def run_each(keys: Sequence[str | None], run: Callable[[str | None], int]) -> int:
    """Run something for each partition, also after one that failed; returns the status of all.

    Ctrl-C is meant for those after it too, and so is a deadline. Of several, a line at the end says what
    became of each.
    """
    ended: dict[str, int] = {}
    for key in keys:
        ended[str(key)] = status = run(key)
        if status in (INTERRUPTED, LATE):
            break
    if len(keys) > 1:
        parts = {
            "succeeded": [key for key, status in ended.items() if status == 0],
            "failed": [key for key, status in ended.items() if status not in (0, INTERRUPTED, LATE)],
            "ended at its deadline": [key for key, status in ended.items() if status == LATE],
            "interrupted": [key for key, status in ended.items() if status == INTERRUPTED],
            "not begun": [str(key) for key in keys if str(key) not in ended],
        }
        words = [f"{len(of)} {how} ({listed(of)})" for how, of in parts.items() if of]
        print(f"\n{len(keys)} partitions: {', '.join(words)}")
    return max(ended.values(), default=0)
