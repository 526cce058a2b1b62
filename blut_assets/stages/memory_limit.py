"""Chooses the limits of a payload, and finds a memory limit where one is wanted and nobody has named it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blut_assets.stages.limits import Footprint, LimitsConfig
from blut_resources.containment import ContainmentRefused
from blut_resources.containment.asked import CONTAINED
from blut_resources.containment.limits import Limits
from blut_resources.leases.lease import estimate, holders
from blut_resources.machine.amounts import parse_size, refused
from blut_resources.machine.memory import RESERVE, available, memory, size_text

SPARE = 256 << 20
"""Bytes at least by which a limit is above what was taken before: an interpreter alone varies that much."""
ENOUGH = 1 << 30
"""Bytes for which it is not worth waiting until others give back theirs."""
LEAST = 64 << 20
"""Bytes below which no payload starts."""


@dataclass(frozen=True)
class ChosenLimits:
    """Holds the limits of a payload.

    Attributes:
        contained: what ``$BLUT_CONTAINED`` says; None where it says nothing, and limits are as always.
        reason: in words, where the memory limit comes from; empty where the variable says nothing.
    """

    limits: Limits
    contained: bool | None = None
    reason: str = ""

    def noted(self) -> dict[str, Any]:
        """Returns what the records of a run keep of it; nothing where the variable says nothing."""
        if self.contained is None:
            return {}
        size = self.limits.memory_max if self.contained else None
        return {"asked": "limit" if self.contained else "none", "limit": size, "limit_from": self.reason}

    def describe(self) -> str:
        """Returns it in one line, for a log."""
        if self.contained and self.limits.memory_max:
            return (
                f"memory limit {size_text(self.limits.memory_max)}, enforced (${CONTAINED}=1): {self.reason}"
            )
        return self.reason


def choose(
    contained: bool | None,
    config: LimitsConfig,
    footprint: Footprint,
    peaks: tuple[Sequence[int], Sequence[int]],
    elsewhere: bool = False,
) -> ChosenLimits:
    """Choose the limits of a payload.

    Args:
        contained: what ``$BLUT_CONTAINED`` says.
        peaks: bytes that computations of the same kind took at most, and those that differ in their inputs.
        elsewhere: whether it runs on other machines, of which nobody knows here what they have.

    Raises:
        LimitsError: a limit makes no sense, or contradicts ``$BLUT_CONTAINED``.
        ContainmentRefused: a limit is wanted, and there is no memory for one.
    """
    limits = config.resolve(footprint.limits)
    if contained is None:
        return ChosenLimits(limits)
    _refuse_contradiction(contained, limits)
    if not contained:
        bare = replace(limits, backend="none", mode="best-effort")
        return ChosenLimits(bare, contained, f"no containment (${CONTAINED}=0)")
    if limits.memory_max:
        size, reason = limits.memory_max, _named_by(config, footprint.limits)
    else:
        declared = parse_size(footprint.memory, "footprint.memory") if footprint.memory else 0
        size, reason = _found(max(declared, limits.memory_high or 0), *peaks, elsewhere=elsewhere)
    return ChosenLimits(replace(limits, memory_max=size, mode="required"), contained, reason)


def memory_needed(
    footprint: Footprint,
    limit: int | None,
    peaks: tuple[Sequence[int], Sequence[int]],
    elsewhere: bool = False,
) -> int:
    """Returns the bytes to lease: a limit, else what the same kind took before, else what is declared.

    Args:
        peaks: bytes that computations of the same kind took at most, and those that differ in their inputs.
        elsewhere: whether it runs on other machines, which may be larger than this one.
    """
    same, alike = peaks
    declared = parse_size(footprint.memory, "footprint.memory") if footprint.memory else None
    needed = estimate(declared, same, limit, alike)
    if (same or alike) and not limit and not elsewhere:
        # the kernel counts cached files in: what ran here before must not be said to fit never again
        needed = min(needed, memory().budget)
    return needed


def unclaimed(least: int = 0) -> int:
    """Returns bytes that are available here and not leased, less the reserve.

    Where that is little, it is what is available less the reserve: the queue then waits for who leased it.

    Raises:
        ValueError: ``$BLUT_MEMORY_RESERVE`` makes no sense.
    """
    here = memory()
    free = max(0, available() - here.reserve)
    unleased = min(free, here.budget - sum(claim.needs.memory for claim in holders()))
    return unleased if unleased >= max(least, ENOUGH) else free


def _refuse_contradiction(contained: bool, limits: Limits) -> None:
    wrong = "best-effort" if contained else "required"
    if limits.mode == wrong:
        says = "starts only where a limit is enforced" if contained else "starts without one"
        remedy = f"contradicts ${CONTAINED}={int(contained)}, which {says}; leave out one of both"
        raise refused("mode ($BLUT_CONTAINMENT_MODE)", wrong, remedy)


def _named_by(config: LimitsConfig, defaults: Mapping[str, Any]) -> str:
    if config.memory_max is not None:
        return "limits.memory_max"
    said_elsewhere = config.resolve({}).memory_max is not None
    return "$BLUT_MEMORY_MAX" if said_elsewhere or "memory_max" not in defaults else "limit of the asset"


def _found(least: int, same: Sequence[int], alike: Sequence[int], *, elsewhere: bool) -> tuple[int, str]:
    """Returns bytes, and in words where they come from; never less than ``least``."""
    if peak := max(same or alike, default=0):
        # the kernel counts cached files in: what ran here before must not be said to fit never again
        size = peak + max(peak // 4, SPARE)
        size = size if elsewhere else min(size, memory().budget)
        of = "these args" if same else "these args and other inputs"
        reason = f"{size_text(peak)} taken before with {of}, and headroom"
    elif elsewhere:
        if not least:
            raise ContainmentRefused(
                f"${CONTAINED}=1: nothing was taken before with these args, and nobody knows here what is"
                " free on another machine: set memory_max ($BLUT_MEMORY_MAX)"
            )
        return least, "what the asset declares"
    else:
        size = unclaimed(least)
        reason = f"nothing taken before with these args; free here less the reserve (${RESERVE})"
    if size < least:
        return least, f"never less than what the asset declares ({reason})"
    if size < LEAST:
        raise ContainmentRefused(
            f"${CONTAINED}=1: {size_text(available())} are available here and {size_text(memory().reserve)}"
            f" are kept in reserve, so there is no memory to limit a payload to: end other programs, or set"
            f" $BLUT_MEMORY_MAX or ${RESERVE}"
        )
    return size, reason
