"""Tells what an asset took before, by what drives it: other args may make it take ten times that.

Two computations are of the same kind if the config fields that drive the cost, the inputs and the number of
GPUs are equal, and alike if only their inputs differ. For anything else nothing is concluded from them.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import dagster as dg

from blut_assets.stages import reuse
from blut_assets.stages.forgotten import forgotten
from blut_assets.stages.limits import Footprint
from blut_assets.stages.ranks import RankedConfig
from blut_assets.stages.spec import StageConfig
from blut_resources.machine.gpus import Gpus
from blut_resources.machine.gpus import gpus as gpus_here

DRIVERS, GPUS = "drivers", "gpus"
"""Where the metadata ``blut/spec`` of a materialization says of which kind it was."""
LOOK_BACK = 200
PEAKS = 5
Likeness = Literal["same", "alike", "other"]


@dataclass(frozen=True)
class Kind:
    """Says what drives the cost of one computation; an input or a number of GPUs not known yet is None."""

    config: StageConfig
    inputs: Mapping[str, str | None]
    gpus: int | None

    def noted(self) -> dict[str, Any]:
        """Returns what a materialization keeps of it; the inputs it has already."""
        return {DRIVERS: self.config.cost_drivers(), GPUS: self.gpus}

    def likeness(self, spec: Mapping[str, Any], ignoring: frozenset[str] = frozenset()) -> Likeness:
        """Returns how near to it a computation was, of which ``spec`` is the metadata.

        Args:
            ignoring: fields that do not drive what is asked for.
        """
        then = drivers_of(spec, type(self.config))
        if then is None or _without(then, ignoring) != _without(self.config.cost_drivers(), ignoring):
            return "other"
        device = spec.get(GPUS)
        if self.gpus is not None and device is not None and self.gpus != device:
            return "other"
        known = self.gpus is not None and device is not None and None not in self.inputs.values()
        return "same" if known and dict(spec.get("inputs", {})) == dict(self.inputs) else "alike"


@dataclass(frozen=True)
class Took:
    """Describes one earlier computation:
    the run that made it, what it was computed from, and what it took.
    """

    run_id: str
    spec: Mapping[str, Any]
    seconds: float | None
    peak: int | None
    at: float = 0.0
    """When it was recorded, in seconds since 1970; where that is gone, when it was reused first."""


def drivers_of(spec: Mapping[str, Any], config: type[StageConfig]) -> Mapping[str, Any] | None:
    """Returns the fields that drove the cost of a materialization, None where it does not say all of them.

    One from before they were noted has what changes a result; that is all only where nothing else drives it.
    """
    noted = spec.get(DRIVERS)
    if isinstance(noted, Mapping):
        return noted
    if not isinstance(spec.get("config"), Mapping) or not config.HOW <= config.COST_NEUTRAL:
        return None
    return _without(spec["config"], config.COST_NEUTRAL)


def took_before(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[Took]:
    """Yields the last computations of an asset that count, the newest first, each once however often it was
    reused.
    """
    not_counted = forgotten(instance).get(key.to_user_string(), frozenset())
    seen = set[str](not_counted)
    for took in itertools.islice(_recorded(instance, key), LOOK_BACK):
        if took and took.run_id not in seen:
            seen.add(took.run_id)
            yield took


def all_took(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[Took]:
    """Returns the computations of an asset, the newest first, also those that do not count."""
    found: dict[str, Took] = {}
    for took in _recorded(instance, key):
        if took:  # of a reuse too, which is recorded later than what it reuses
            found[took.run_id] = replace(found.get(took.run_id, took), at=took.at)
    return sorted(found.values(), key=lambda took: took.at, reverse=True)


def _recorded(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[Took | None]:
    """Yields the computation behind each materialization, the newest first; None for one of no stage."""
    for record in reuse.materializations(instance, key, first=PEAKS):
        event = record.asset_materialization
        yield took_by(event, record.run_id, record.timestamp) if event else None


def took_by(event: dg.AssetMaterialization, run_id: str, at: float = 0.0) -> Took | None:
    """Returns what the computation behind a materialization took; None if no stage asset made it."""
    spec = reuse.spec_of_event(event)
    origin, seconds, peak = (
        getattr(event.metadata.get(name), "value", None) for name in (reuse.ORIGIN, reuse.SECONDS, reuse.PEAK)
    )
    if not spec:
        return None
    return Took(
        origin if isinstance(origin, str) else run_id,
        spec,
        float(seconds) if isinstance(seconds, int | float) else None,
        peak if isinstance(peak, int) else None,
        at,
    )


def peaks_before(instance: dg.DagsterInstance, key: dg.AssetKey, kind: Kind) -> tuple[list[int], list[int]]:
    """Returns the bytes that earlier computations took at most:
    the last few of the same kind, and those alike.
    """
    found: dict[Likeness, list[int]] = {"same": [], "alike": [], "other": []}
    for took in took_before(instance, key):
        if took.peak:
            found[kind.likeness(took.spec, kind.config.DURATION)].append(took.peak)
        if len(found["same"]) == PEAKS:
            break
    return found["same"][:PEAKS], found["alike"][:PEAKS]


@dataclass(frozen=True)
class Cost:
    """Says what a computation is known to take, before it runs.

    Attributes:
        seconds: what the newest one of the same kind took, or else one that was alike; None if there is none.
        of: of which args that is, in words; without seconds, what else is known of the asset.
        peak: bytes of memory that the same computation took at most; None where that is not known.
    """

    seconds: float | None
    of: str
    peak: int | None = None


def cost_before(instance: dg.DagsterInstance, key: dg.AssetKey, kind: Kind) -> Cost:
    """Returns what computations of an asset took, by what this one would be computed from."""
    alike: Took | None = None
    other: Took | None = None
    for took in took_before(instance, key):
        if took.seconds is None:
            continue
        likeness = kind.likeness(took.spec)
        if likeness == "same":
            return Cost(took.seconds, f"these args and inputs, run {took.run_id[:8]}", took.peak)
        alike = alike or (took if likeness == "alike" else None)
        other = other or took
    if alike:
        words = f"these args, with other or older inputs, run {alike.run_id[:8]}"
        return Cost(alike.seconds, words, alike.peak)
    if other:
        return Cost(None, f"{other.seconds:.1f} s with {_differing(kind, other)}, run {other.run_id[:8]}")
    return Cost(None, "")


def _differing(kind: Kind, took: Took) -> str:
    """Returns the args that were others then, in words."""
    then, now = drivers_of(took.spec, type(kind.config)), kind.config.cost_drivers()
    if then is None:
        return "args that were not noted"
    names = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    gpus = took.spec.get(GPUS)
    words = [f"{name} {json.dumps(then.get(name))} instead of {json.dumps(now.get(name))}" for name in names]
    return ", ".join(words) or f"{gpus} GPUs instead of {kind.gpus}"


def expected_gpus(
    footprint: Footprint, config: StageConfig, look: Callable[[], Gpus] = gpus_here
) -> int | None:
    """Returns how many GPUs a payload will get where its stage does not say; None if that cannot be known.

    ``look`` says which there are.
    """
    if isinstance(config, RankedConfig) and config.leased is not None:
        return config.leased
    if getattr(config, "device", None) == "cpu":
        return 0
    if footprint.gpus != "any":
        return footprint.gpus
    try:
        return min(1, len(look().found))
    except ValueError:
        return None


def _without(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
