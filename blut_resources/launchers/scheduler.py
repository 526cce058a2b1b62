"""Says what a scheduler of other machines must be able to do, and what it is asked for."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from blut_resources.launchers.base import Order
from blut_resources.launchers.sight import Sight
from blut_resources.machine.amounts import parse_duration, parse_size

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile

HOLDS = 64 << 20
"""Bytes of a job beyond those of its payload: for the agent that holds it, and its supervisor."""
SPARE = 256 << 20
"""Bytes at least by which a job is larger than what its payload took before: a job is killed at its limit."""
AFTER_S = 120.0
"""Seconds of a job beyond the longest time of its payload and its grace period."""


class Busy(Exception):
    """Says that a scheduler takes nothing now, and may later; whether it took something is not known."""


class Scheduler(Protocol):
    """Starts jobs on other machines, looks at them, and ends them."""

    @property
    def name(self) -> str:
        """Returns what a reader calls it, such as ``slurm``."""
        ...

    @property
    def where(self) -> str:
        """Returns which of several it is; empty where a machine knows one only."""
        ...

    def about(self) -> str:
        """Returns what it is, and what its machines have. Raises NoAnswer."""
        ...

    def refuse(self, order: Order) -> str:
        """Says why no machine of it can ever run an order; empty if one may."""
        ...

    def submit(self, order: Order, command: str, comment: str, secrets: Sequence[str]) -> str:
        """Returns the id of a new job, which runs a line of shell.

        Raises:
            Busy: it may be accepted later.
            LaunchRefused: such a job is not taken.
        """
        ...

    def find(self, comment: str) -> str | None:
        """Returns the id of a job by its comment; None if there is none. Raises NoAnswer."""
        ...

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        """Returns what is known of jobs, by one query for all of them. Raises NoAnswer."""
        ...

    def end(self, job: str, *, at_once: bool) -> None:
        """Ask a job to end, with its grace period, or at once. Raises NoAnswer."""
        ...

    def ask_again(self, job: str) -> None:
        """Ask again for a job that was given up before it began, see `Sight.given_up`. Raises NoAnswer."""
        ...


def memory_of(order: Order, profile: "Profile") -> int | None:
    """Returns the bytes to ask for: the payload's limit and `HOLDS`, else what it is expected to take and
    some more, else what the profile says; None where nobody says anything.
    """
    if limit := order.limits.memory_max:
        return limit + HOLDS
    expected = order.job.needs.memory if order.job else 0
    least = parse_size(profile.mem, "mem") if profile.mem else 0
    return max(expected + max(expected // 4, SPARE) + HOLDS if expected else 0, least) or None


def seconds_of(order: Order, profile: "Profile") -> float | None:
    """Returns how long its job may take: as long as the payload may, its grace period, and some more."""
    longest = [order.limits.wall_clock_s, order.job.ends_s if order.job else None]
    known = [seconds for seconds in longest if seconds is not None]
    if known:
        return min(known) + order.grace_s + AFTER_S
    return parse_duration(profile.time, "time") if profile.time else None
