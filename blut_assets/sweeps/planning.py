"""Says of many trials at once what they would compute: what they share is looked at once.

What was computed is looked for among the notes of the store, by fingerprint. A result that only the event log
knows is not seen here; its trial reuses it all the same.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import dagster as dg

from blut_assets.history.planning import observe
from blut_assets.recipes import Recipe
from blut_assets.stages import reuse
from blut_assets.stages.footprints import GPUS, Kind, Took, drivers_of, expected_gpus, took_before
from blut_assets.stages.leasing import Leasing, expected
from blut_assets.stages.spec import NotYet, StageConfig, StageSpec, in_order, spec_of, specs_of
from blut_resources.instance.instance import store_of
from blut_resources.leases.capacity import capacity
from blut_resources.leases.lease import Needs
from blut_resources.leases.queue import total
from blut_resources.machine.gpus import gpus
from blut_resources.payload_kit.refuse import Refused
from blut_resources.store import results
from blut_resources.store.artifacts import StoreError
from blut_resources.text import one_line

State = Literal["fresh", "reusable", "compute", "blocked", "always", "unseen"]
LOOKED_AT = 12
"""Stages of an asset to be computed of which it is looked at what they would lease; the others are alike."""


@dataclass(frozen=True)
class PlannedStage:
    """Describes what one or more trials would do for one asset; all that is equal is one.

    Attributes:
        state: as in a plan of one run; ``compute`` is a stage whose result is not there.
        seconds, peak: that such a computation took; None where nobody knows.
        leases: what it would queue for, in words; ``never`` why that cannot be given here.
    """

    asset: str
    state: State
    digest: str | None
    fingerprint: str = ""
    reason: str = ""
    seconds: float | None = None
    peak: int | None = None
    leases: str = ""
    never: str = ""
    needs: Needs | None = None


@dataclass
class SweepPlan:
    """Holds the stages of each trial, in the order of the trials; equal ones are the same object."""

    trials: list[list[PlannedStage]] = field(default_factory=list)

    def state(self, number: int) -> str:
        """Returns how one trial stands: ``compute``, ``reusable``, ``fresh`` or ``unseen``."""
        states = {stage.state for stage in self.trials[number]}
        order = ("unseen", "compute", "blocked", "reusable")
        found = next((state for state in order if state in states), "fresh")
        return "compute" if found == "blocked" else found

    def done(self, number: int) -> bool:
        """Says whether nothing of a trial would be computed."""
        return self.state(number) in ("fresh", "reusable")

    def ahead(self, numbers: Iterable[int] | None = None) -> list[PlannedStage]:
        """Returns the different stages that would be computed, of all trials or of some."""
        chosen = self.trials if numbers is None else [self.trials[number] for number in numbers]
        found = {id(one): one for stages in chosen for one in stages if one.state in ("compute", "blocked")}
        return [*found.values()]


def plan_trials(
    instance: dg.DagsterInstance,
    recipe: Recipe,
    configs: Sequence[Mapping[dg.AssetKey, StageConfig]],
    partitions: Sequence[str | None] | None = None,
) -> SweepPlan:
    """Returns the plan of trials; sources are looked at, each once for the same config.

    Args:
        configs: of the assets of each trial.
        partitions: of each trial, where the recipe has any; these are taken for trials that compute.
    """
    planner = _TrialPlanner(instance, recipe)
    keys = partitions or [None] * len(configs)
    return SweepPlan([planner.stages(one, key) for one, key in zip(configs, keys, strict=True)])


class _TrialPlanner:
    def __init__(self, instance: dg.DagsterInstance, recipe: Recipe) -> None:
        self._instance, self._store = instance, store_of(instance)
        self._specs = in_order(specs_of(recipe.assets))
        plain = [key.to_user_string() for one in recipe.assets if not spec_of(one) for key in one.keys]
        self._plain = [PlannedStage(name, "always", None) for name in plain]
        self._newest = self._newest_events()
        self._known: dict[tuple[Any, ...], PlannedStage] = {}
        self._texts: dict[int, tuple[StageConfig, str]] = {}
        self._gpus = cache(gpus)
        self._took: dict[dg.AssetKey, dict[str, Took]] = {}
        self._beside: dict[dg.AssetKey, PlannedStage] = {}
        self._looked: Counter[dg.AssetKey] = Counter()
        self._leasing: dict[dg.AssetKey, Leasing] = {}

    def _newest_events(self) -> dict[dg.AssetKey, dg.AssetMaterialization]:
        """Returns what each asset has made last, and what was made last of what these take besides."""
        keys = {
            *(spec.key for spec in self._specs),
            *(key for one in self._specs for key in one.inputs.values()),
        }
        records = self._instance.get_asset_records([*keys])
        events = {one.asset_entry.asset_key: one.asset_entry.last_materialization for one in records}
        return {key: made for key, one in events.items() if one and (made := one.asset_materialization)}

    def stages(self, configs: Mapping[dg.AssetKey, StageConfig], partition: str | None) -> list[PlannedStage]:
        made: dict[dg.AssetKey, PlannedStage] = {}
        for spec in self._specs:
            above = {name: made.get(key) or self._outside(key) for name, key in spec.inputs.items()}
            made[spec.key] = self._stage(spec, configs[spec.key], above, partition)
        return [*made.values(), *self._plain]

    def _outside(self, key: dg.AssetKey) -> PlannedStage:
        """Returns what stands for an input that another recipe makes."""
        digest = reuse.digest_of(self._newest[key]) if key in self._newest else ""
        return self._beside.setdefault(key, PlannedStage(key.to_user_string(), "fresh", digest or None))

    def _stage(
        self,
        spec: StageSpec,
        config: StageConfig,
        above: Mapping[str, PlannedStage],
        partition: str | None,
    ) -> PlannedStage:
        """Returns the stage; the same object for all that have the same config, and the same above them."""
        values = self._values(config)
        of = tuple((name, one.digest or id(one)) for name, one in above.items())
        key = (spec.key, values, of, partition, config.reuse)
        if key not in self._known:
            inputs = {name: one.digest for name, one in above.items()}
            self._known[key] = self._planned(spec, config, inputs, partition)
        return self._known[key]

    def _values(self, config: StageConfig) -> str:
        """Returns the values that count of a config, as a text; of one that trials share it is made once."""
        if id(config) not in self._texts:
            text = json.dumps(config.fingerprinted(), sort_keys=True, default=str)
            self._texts[id(config)] = config, text  # which keeps it, and so its id
        return self._texts[id(config)][1]

    def _planned(
        self, spec: StageSpec, config: StageConfig, inputs: Mapping[str, str | None], partition: str | None
    ) -> PlannedStage:
        name = spec.key.to_user_string()
        if spec.source:
            try:
                return PlannedStage(name, "always", observe(self._store, spec, config, partition).digest)
            except NotYet:
                return PlannedStage(name, "always", None)
            except Exception as error:  # a source that cannot be read now is an answer, not a crash
                return PlannedStage(name, "unseen", None, reason=one_line(error))
        if not spec.memoised:
            return PlannedStage(name, "always", None)
        known = {one: digest for one, digest in inputs.items() if digest}
        if len(known) < len(inputs) or partition is not None:
            return self._costing(spec, config, inputs, PlannedStage(name, "blocked", None))
        try:
            known |= spec.looked_up(self._store, known, config)
        except Refused as error:
            return PlannedStage(name, "unseen", None, reason=one_line(error))
        wanted = spec.fingerprint(known, config)
        digest = self._there(spec, wanted) if config.reuse != "never" else None
        if digest is not None:
            fresh = reuse.fingerprint_of(self._newest.get(spec.key)) == wanted
            return PlannedStage(name, "fresh" if fresh else "reusable", digest, wanted)
        return self._costing(spec, config, known, PlannedStage(name, "compute", None, wanted))

    def _there(self, spec: StageSpec, fingerprint: str) -> str | None:
        """Returns the digest of a result whose bytes are there and whole."""
        for digest in results.digests(self._store.root, fingerprint):
            try:
                self._store.verify(digest)
                return digest
            except StoreError:
                continue
        return None

    def _costing(
        self,
        spec: StageSpec,
        config: StageConfig,
        inputs: Mapping[str, str | None],
        stage: PlannedStage,
    ) -> PlannedStage:
        """Returns a stage with what is known of its cost."""
        kind = Kind(config, inputs, expected_gpus(spec.footprint, config, self._gpus))
        took = self._took_by_drivers(spec).get(_drivers(config.cost_drivers(), kind.gpus))
        self._looked[spec.key] += 1
        if self._looked[spec.key] <= LOOKED_AT:
            self._leasing[spec.key] = expected(self._instance, spec, config, kind)
        lease = self._leasing[spec.key]
        return PlannedStage(
            *(stage.asset, stage.state, stage.digest, stage.fingerprint, stage.reason),
            *(took.seconds if took else None, took.peak if took else None),
            *(lease.text, lease.trouble, lease.needs),
        )

    def _took_by_drivers(self, spec: StageSpec) -> Mapping[str, Took]:
        if spec.key not in self._took:
            found: dict[str, Took] = {}
            for took in took_before(self._instance, spec.key):
                drivers = drivers_of(took.spec, spec.config)
                if drivers is not None and took.seconds is not None:
                    found.setdefault(_drivers(drivers, took.spec.get(GPUS)), took)
            self._took[spec.key] = found
        return self._took[spec.key]


def _drivers(drivers: Mapping[str, Any], gpus: Any) -> str:
    return json.dumps([drivers, gpus], sort_keys=True, default=str)


def jobs_at_once(stages: Sequence[PlannedStage], trials: int) -> int:
    """Returns for how many trials at once this machine has memory, CPU threads and GPUs.

    The dearest stage counts of each asset, for several trials may be at it at once.
    """
    there, cards = capacity(), len(gpus().found)
    most = max(1, total("cpus", there))
    for stage in stages:
        if stage.needs is None:
            continue
        memory, cpus, needed = stage.needs.memory, stage.needs.cpus, stage.needs.gpus
        fits = [total("memory", there) // memory] if memory else []
        fits += [total("cpus", there) // cpus] if cpus else []
        fits += [cards // needed] if needed else []
        most = min([most, *fits])
    return max(1, min(most, trials))
