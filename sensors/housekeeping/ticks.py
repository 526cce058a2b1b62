"""Removes what Blut's sensors have said, tick by tick, where it is old.

Dagster itself removes skipped ticks after a week; ``retention:`` in a ``dagster.yaml`` says otherwise for all
sensors of an instance. This is about Blut's own alone.
"""

from collections.abc import Iterator

import dagster as dg

from blut_resources.dagster_private.instigators import InstigatorState, given, sensors_of
from blut_resources.dagster_private.ticks import count_of
from blut_resources.instance.renamed import RENAMED


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
    """Yields Blut's sensors, and each as it was called in an older version: those ticks lie there still.

    Others may have a sensor of an old name beside Blut's now. What they have is not Blut's.
    """
    states = sensors_of(instance)
    taken = {state.selector_id for state in states}
    old_names = {new: old for old, new in RENAMED.items()}
    for state in states:
        if old := old_names.get(state.instigator_name):
            yield state
            if (older := given(state, old)).selector_id not in taken:
                yield older
