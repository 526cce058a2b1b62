"""Says what is leased for a payload of an asset: by the step that runs it, and by a plan before it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from blut_assets.stages.computing import computing
from blut_assets.stages.footprints import Kind, peaks_before
from blut_assets.stages.limits import Footprint
from blut_assets.stages.memory_limit import choose, memory_needed
from blut_assets.stages.ranks import RankedConfig
from blut_assets.stages.spec import StageConfig, StageSpec
from blut_assets.stages.where import Where
from blut_resources.containment import ContainmentRefused, LimitsError
from blut_resources.containment.asked import contained
from blut_resources.leases.capacity import capacity
from blut_resources.leases.lease import LeaseError, Needs, NeverFits
from blut_resources.leases.queue import needs_text, refuse_impossible
from blut_resources.machine.amounts import parse_size
from blut_resources.machine.gpus import Gpus, gpus
from blut_resources.settings import settings


def needs_of(
    footprint: Footprint,
    limit: int | None,
    gpus: int,
    cpus: int,
    peaks: tuple[Sequence[int], Sequence[int]],
    elsewhere: bool = False,
) -> Needs:
    """Returns what is queued for.

    Args:
        limit: bytes that the payload is limited to.
        peaks: bytes that computations of the same kind took at most, and those that differ in their inputs.
        elsewhere: whether that is on other machines.
    """
    return Needs(
        memory=memory_needed(footprint, limit, peaks, elsewhere),
        gpus=gpus,
        vram=parse_size(footprint.vram, "footprint.vram") if footprint.vram and gpus else 0,
        cpus=cpus,
        network=footprint.network,
        disk=footprint.disk,
    )


@dataclass(frozen=True)
class Leasing:
    """Says what a run would lease for an asset.

    Attributes:
        text: such as ``2 GiB and 4 CPUs``; empty for one without payloads.
        trouble: why that cannot be, in words.
        note: what is not as it was asked for, in words.
        needs: what is queued for, where that is known.
    """

    text: str = ""
    trouble: str = ""
    note: str = ""
    needs: Needs | None = None


def expected(instance: dg.DagsterInstance, spec: StageSpec, config: StageConfig, kind: Kind) -> Leasing:
    """Returns what a run would lease now, where its stage does not ask for something else."""
    if not spec.code.payloads:
        return Leasing()
    peaks, text = peaks_before(instance, spec.key, kind), ""
    ranks = config.together if isinstance(config, RankedConfig) else 1
    try:
        where, footprint = Where(config.launcher, spec.footprint.launcher), spec.footprint.times(ranks)
        limits = choose(contained(settings()), config.limits, footprint, peaks, where.is_elsewhere).limits
        computes = computing(footprint, config, os.environ, limits.cpus, ranks=ranks)
        needs = needs_of(
            footprint, limits.memory_max, kind.gpus or 0, computes.cpus, peaks, where.is_elsewhere
        )
        text = needs_text(needs)
        if where.is_elsewhere:
            return Leasing(f"{text}, as a job of {where.name}", note=computes.note)
        refuse_impossible(needs, capacity(), gpus() if needs.gpus else Gpus(()))
    except NeverFits as error:
        return Leasing(text, str(error))
    except (ContainmentRefused, LeaseError, LimitsError, ValueError) as error:
        return Leasing(trouble=str(error))
    return Leasing(text, note=computes.note, needs=needs)
