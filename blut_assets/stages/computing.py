"""Says with how many threads a payload computes, and how many CPUs are leased for them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from blut_assets.stages.limits import Footprint
from blut_assets.stages.spec import StageConfig
from blut_resources.leases.capacity import Capacity, amount_text, capacity
from blut_resources.leases.queue import total
from blut_resources.payloads.threads import threads_set

SHARE = 4
"""Where nobody says how many threads, a payload gets this part of the CPUs: so many can compute at once."""


@dataclass(frozen=True)
class Computing:
    """Says what one payload computes with.

    Attributes:
        threads: that it is told to use.
        cpus: how many are leased.
        note: a sentence for whoever asked for more than there is; else empty.
    """

    threads: int
    cpus: int
    note: str = ""


def computing(
    footprint: Footprint,
    config: StageConfig,
    env: Mapping[str, str],
    quota: float | None = None,
    asked: int | None = None,
    ranks: int = 1,
    there: Capacity | None = None,
) -> Computing:
    """Returns what a payload computes with, by its asset, its config, or who has set ``$OMP_NUM_THREADS``.

    More threads than there are CPUs compute all the same, for the result may depend on their number; what is
    leased is then all of the CPUs.

    Args:
        quota: CPUs' worth of time that it may take at most.
        asked: CPUs that its stage asks for, instead of those of the footprint.
        ranks: processes that train together, each with so many threads.
        there: what this machine has, looked at if not given.
    """
    most = total("cpus", there or capacity())
    said = asked if asked is not None else _declared(footprint, config)
    named = f"{footprint.cpus}={said}" if isinstance(footprint.cpus, str) and asked is None else "its asset"
    if said is None or (asked is None and isinstance(footprint.cpus, int) and threads_set(env)):
        wanted = threads_set(env)
        said, named = (wanted, "$OMP_NUM_THREADS") if wanted else (_share(most, quota), "")
    together = said * ranks
    limited = min(together, math.ceil(quota)) if quota else together
    note = ""
    if limited > most:
        note = (
            f"{named}: {together} threads on {amount_text('cpus', most)}, all of which are leased for it; the"
            " result is that of so many threads, and takes longer than with fewer"
        )
    return Computing(max(1, said), min(limited, most), note)


def _declared(footprint: Footprint, config: StageConfig) -> int | None:
    if isinstance(footprint.cpus, int):
        return footprint.cpus
    value = getattr(config, footprint.cpus, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _share(most: int, quota: float | None) -> int:
    return max(1, math.floor(quota)) if quota else max(1, most // SHARE)
