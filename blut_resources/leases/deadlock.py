"""Finds out whether a lease that is asked for inside another one can ever be granted.

Who waits while it holds something gives nothing back meanwhile. So it is played through who can still end:
whoever waits for nothing gives back all that it holds, sooner or later, and of the others those whose needs
fit then. What is left waits for itself.
"""

from collections.abc import Sequence

from blut_resources.leases.capacity import Capacity
from blut_resources.leases.files import Claim, Needs
from blut_resources.leases.queue import short_of
from blut_resources.machine.gpus import Gpus


def waits_for_itself(
    needs: Needs,
    inside: Sequence[str],
    held: Sequence[Claim],
    waiting: Sequence[Claim],
    capacity: Capacity,
    there: Gpus,
) -> list[Claim]:
    """Returns the leases that would have to end first and cannot, none where there is no such knot.

    Args:
        inside: names of the files of the leases that the waiter holds itself.
        waiting: others that wait.
    """
    left = [claim for claim in waiting if claim.inside]
    names = {*inside, *(name for claim in left for name in claim.inside)}
    stuck = [claim for claim in held if claim.path.name in names]
    while not _fits(needs, stuck, capacity, there):
        ends = next((claim for claim in left if _fits(claim.needs, stuck, capacity, there)), None)
        if ends is None:
            return stuck
        left.remove(ends)
        stuck = [claim for claim in stuck if claim.path.name not in ends.inside]
    return []


def _fits(needs: Needs, stuck: Sequence[Claim], capacity: Capacity, there: Gpus) -> bool:
    taken = {uuid for claim in stuck for uuid in claim.gpus}
    free = [gpu for gpu in there.found if gpu.uuid not in taken and gpu.total >= needs.vram]
    return needs.gpus <= len(free) and not short_of(needs, stuck, (), capacity)
