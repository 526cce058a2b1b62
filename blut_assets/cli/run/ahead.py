"""Refuses a run before it begins that could not do its work: what would be said in it hours later, or unseen.

A run that somebody watches says the same by itself, at the step in which it happens.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from blut_assets.definitions import discovered
from blut_assets.history.planning import Planned, plan
from blut_assets.stages.ranks import RankedConfig
from blut_assets.stages.spec import StageConfig, StageSpec, specs_of
from blut_assets.stages.where import Where
from blut_assets.terminal.output import failed
from blut_resources.files.full import full_place, is_nearly_full, one_each, remedy
from blut_resources.instance.home import store_root
from blut_resources.instance.instance import home_of
from blut_resources.leases.capacity import capacity
from blut_resources.leases.lease import Needs, NeverFits
from blut_resources.leases.place import named_place
from blut_resources.leases.queue import refuse_impossible
from blut_resources.machine.amounts import parse_size
from blut_resources.machine.gpus import gpus

AHEAD = ("stale", "blocked")


def refuse_unable(
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetsDefinition],
    configs: Mapping[dg.AssetKey, StageConfig],
    partition: str | None,
) -> None:
    """End the command with status 1 where a source cannot be looked at, a place is full, or what an asset
    that would be computed needs is more than this machine can ever give.
    """
    refuse_full(home_of(instance))
    beside = [asset for cookbook in discovered.cookbooks for asset in cookbook.assets]
    planned = plan(instance, assets, configs, partition, beside)
    if unseen := [one for one in planned if one.state == "unseen"]:
        failed("\n".join(f"{one.asset}: {one.reason}" for one in unseen))
    if never := _never_fits(planned, specs_of(assets), configs):
        failed("\n".join(never))


def refuse_full(home: Path) -> None:
    """End the command with status 1 where a place that a run writes to is full."""
    places = {"$DAGSTER_HOME": home, "$BLUT_STORE": store_root(home), "$TMPDIR": Path(tempfile.gettempdir())}
    places["$BLUT_LEASES"] = named_place()
    full = [place for place in one_each(places.values()) if is_nearly_full(place)]
    if full:
        failed("\n".join(f"{place}: {full_place(place)}; {remedy(place, places)}" for place in full))


def _never_fits(
    planned: Sequence[Planned],
    specs: Mapping[dg.AssetKey, StageSpec],
    configs: Mapping[dg.AssetKey, StageConfig],
) -> list[str]:
    found: list[str] = []
    computed = {one.asset for one in planned if one.state in AHEAD}
    for key, spec in specs.items():
        name, config = key.to_user_string(), configs.get(key) or spec.config()
        if name in computed and not Where(config.launcher, spec.footprint.launcher).is_elsewhere:
            try:
                refuse_impossible(_needs(spec, config), capacity(), gpus())
            except NeverFits as error:
                found.append(f"{name}: {error}")
    return found


def _needs(spec: StageSpec, config: StageConfig) -> Needs:
    """Returns what it is known to need before it starts; a step may come to more, and says so then."""
    ranked = isinstance(config, RankedConfig)
    footprint = spec.footprint.times(config.together if ranked else 1)
    limit = config.limits.resolve(footprint.limits).memory_max
    declared = parse_size(footprint.memory, "footprint.memory") if footprint.memory else 0
    declared_gpus = 0 if footprint.gpus == "any" else footprint.gpus
    wanted = declared_gpus if not ranked or config.leased is None else config.leased
    vram = parse_size(footprint.vram, "footprint.vram") if footprint.vram and wanted else 0
    return Needs(memory=limit or declared, gpus=wanted, vram=vram)
