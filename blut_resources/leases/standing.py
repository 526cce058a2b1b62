"""Says how much of this machine is leased now, and how many wait for it."""

from dataclasses import dataclass

from blut_resources.leases.capacity import amount_text, capacity
from blut_resources.leases.lease import holders, waiters
from blut_resources.leases.queue import KINDS, total
from blut_resources.machine.gpus import gpus
from blut_resources.machine.memory import size_text


@dataclass(frozen=True)
class Standing:
    """Says of one kind of thing how much there is, how much of it is held, and how many wait for it."""

    kind: str
    total: int
    held: int
    waiting: int

    def __str__(self) -> str:
        """Returns text such as ``1 of 2 CPUs, 3 wait``."""
        if self.kind == "gpus":
            of = "1 GPU" if self.total == 1 else f"{self.total} GPUs"
        else:
            of = amount_text(self.kind, self.total)
        held = size_text(self.held) if self.kind == "memory" else str(self.held)
        waits = "" if not self.waiting else ", 1 waits" if self.waiting == 1 else f", {self.waiting} wait"
        return f"{held} of {of}{waits}"


def standing() -> list[Standing]:
    """Returns how it stands with memory, CPUs, network, disk, and the GPUs where there are any.

    Raises:
        LeaseError: the leases cannot be read.
        ValueError: a variable makes no sense.
    """
    here, held, waiting = capacity(), holders(), waiters()
    totals = {kind: total(kind, here) for kind in KINDS}
    if there := len(gpus().found):
        totals["gpus"] = there
    return [
        Standing(
            *(kind, most),
            sum(getattr(claim.needs, kind) for claim in held),
            sum(bool(getattr(claim.needs, kind)) for claim in waiting),
        )
        for kind, most in totals.items()
    ]
