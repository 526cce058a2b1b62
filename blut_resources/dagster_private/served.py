"""Says which code locations the daemon of an instance has looked after, and when it last did.

Public API has neither the states of sensors nor where they come from. When it changes, look at
``all_instigator_state`` of ``DagsterInstance``, and at ``InstigatorState`` and its ``origin``.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import dagster as dg


def served(instance: dg.DagsterInstance, is_ours: Callable[[str], bool]) -> dict[str, float]:
    """Returns the names of the code locations that have one of our sensors, each with its last tick.

    The ticks are in seconds since 1970, 0 if there was none. A history that cannot be read says nothing.

    Args:
        is_ours: says of the name of a sensor whether it is one of ours.
    """
    found: dict[str, float] = {}
    with contextlib.suppress(Exception):  # a name to be shown under is worth no failed run
        for state in instance.all_instigator_state():
            if is_ours(state.instigator_name):
                origin: Any = state.origin.repository_origin.code_location_origin
                data: Any = state.instigator_data
                tick = getattr(data, "last_tick_start_timestamp", None) or getattr(
                    data, "last_tick_timestamp", None
                )
                found[origin.location_name] = max(found.get(origin.location_name, 0.0), tick or 0.0)
    return found
