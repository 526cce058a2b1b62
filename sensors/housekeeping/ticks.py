"""Removes what Blut's sensors have said, tick by tick, where it is old.

Dagster itself removes skipped ticks after a week; ``retention:`` in a ``dagster.yaml`` says otherwise for all
sensors of an instance. This is about Blut's own alone.
"""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from blut_resources.dagster_private.ticks import InstigatorState, count_of

ALWAYS = {"reaper", "alerts"}
"""Sensors that are on wherever Blut is; a code location that has both is Blut's."""
NAMES = {*ALWAYS, "retraining", "corpus_watch", "leaderboards", "housekeeping"}


def count_ticks(instance: dg.DagsterInstance, before: float) -> int:
    """Returns how many ticks of Blut's sensors are from before a time in seconds since 1970;
    0 if nobody can tell.
    """
    return sum(count_of(instance, state, before) for state in _own(instance))


def remove_ticks(instance: dg.DagsterInstance, before: float) -> int:
    """Remove them; returns how many they were."""
    removed = 0
    for state in _own(instance):
        removed += count_of(instance, state, before)
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before)
    return removed


def _own(instance: dg.DagsterInstance) -> Iterator[InstigatorState]:
    by_location: dict[str, list[InstigatorState]] = defaultdict(list)
    for state in instance.all_instigator_state():
        by_location[state.repository_origin_id].append(state)
    for states in by_location.values():
        if {state.instigator_name for state in states} >= ALWAYS:
            yield from (state for state in states if state.instigator_name in NAMES)
