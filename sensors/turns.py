"""Says which code location does what has to be done once in an instance.

Two code locations that load Blut both have its sensors, and the daemon ticks all of them. Of those that are
on and tick, the first by name does the work, and the ticks of the others say who does it. Nothing is written
for this: what the instance keeps of each sensor says it, whatever its storage and on whatever machine.
"""

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg

from blut_resources.dagster_private.instigators import (
    InstigatorState,
    Place,
    began,
    cursor_of,
    interval_of,
    is_off,
    place_of,
    place_of_tick,
    sensors_of,
)
from blut_resources.instance.renamed import carry_over

GRACE_S = 120.0
"""Seconds that a sensor may be late, beside three of its intervals, before another location goes on."""


class Peer(NamedTuple):
    """Says what the sensor of the same name in another code location has left."""

    place: Place
    cursor: str
    goes_first: bool


class SensorTurn(NamedTuple):
    """Says what a tick finds.

    Attributes:
        cursor: its own, or what it had under an older name.
        off: whether it was switched off under that name.
        peers: the sensors of the same name in other locations that are on and tick.
        cursors: of every sensor of that name in other locations, also of those that are no more.
    """

    cursor: str
    off: bool = False
    peers: Sequence[Peer] = ()
    cursors: Sequence[str] = ()

    @property
    def waits(self) -> str:
        """Returns why this location does nothing; empty where it does the work."""
        if self.off:
            return "switched off, as it was under its old name"
        first = next((peer for peer in self.peers if peer.goes_first), None)
        return f"done by the code location {first.place.words}, which loads Blut too" if first else ""


def turn_of(context: dg.SensorEvaluationContext, name: str) -> SensorTurn:
    """Returns whose turn it is, after what an older version kept has been carried over.

    Args:
        name: of the sensor.
    """
    carry_over(context.instance, name)
    place = place_of_tick(context)
    states = [one for one in sensors_of(context.instance) if one.instigator_name == name]
    own = next((one for one in states if place_of(one) == place), None)
    others = [one for one in states if one is not own]
    if place is None:
        return SensorTurn(context.cursor or "")
    seen = context.last_tick_completion_time or 0.0
    peers = [
        Peer(place_of(one), cursor_of(one), place_of(one) < place) for one in others if _ticks(one, seen)
    ]
    return SensorTurn(
        context.cursor or (cursor_of(own) if own else ""),
        own is not None and is_off(own),
        sorted(peers),
        [cursor_of(one) for one in others],
    )


def places_of(instance: dg.DagsterInstance, name: str) -> set[Place]:
    """Returns the code locations that have, or had, a sensor of this name."""
    return {place_of(one) for one in sensors_of(instance) if one.instigator_name == name}


def _ticks(state: InstigatorState, seen: float) -> bool:
    """Says whether a sensor is on and not late.

    Args:
        seen: when the sensor that asks had its last tick: while no daemon runs, nobody is late.
    """
    last = began(state)
    return bool(last) and not is_off(state) and seen - last <= 3 * interval_of(state) + GRACE_S
