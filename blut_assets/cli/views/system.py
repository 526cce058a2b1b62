"""Says who holds what of this machine and who waits for it, for the cockpit; `blut doctor` has the sums."""

from typing import Any

from blut_resources.leases.lease import holders, waiters
from blut_resources.leases.queue import needs_text


def claims() -> list[dict[str, Any]]:
    """Returns a row for each holder, the oldest first, and then for each waiter, the next one first.

    As ``state`` (``holds`` or ``waits``), ``run``, ``asset``, ``what`` and ``since`` in seconds since 1970.

    Raises:
        LeaseError: the leases cannot be read.
    """
    return [
        {
            "state": state,
            "run": claim.holder.get("run", ""),
            "asset": claim.holder.get("asset", ""),
            "what": needs_text(claim.needs),
            "since": claim.since,
        }
        for state, some in (("holds", holders()), ("waits", waiters()))
        for claim in some
    ]
