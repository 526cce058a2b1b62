"""Holds a permit for the disk where that is worth a short wait, and no long one."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from blut_resources.leases.lease import LeaseError, Needs, lease

PATIENCE_S = 10.0


class _Enough(Exception):
    """Says that it was waited for long enough."""


@contextmanager
def disk_permit(who: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a permit for the disk while the block runs; after `PATIENCE_S` seconds go on without one.

    Who makes room on a disk must not wait for those who wait for room.

    Args:
        who: shown to those who wait for this one.
        say: told what is waited for, and that it goes on without.
    """
    end = time.monotonic() + PATIENCE_S

    def look() -> None:
        if time.monotonic() > end:
            raise _Enough

    with ExitStack() as held:
        try:
            held.enter_context(lease(Needs(disk=1), holder={"asset": who}, on_wait=say, meanwhile=look))
        except _Enough:
            say(f"goes on without a permit for the disk, after {PATIENCE_S:.0f} s")
        except LeaseError as error:
            say(f"goes on without a permit for the disk: {error}")
        yield
