"""Says what a run would do, per asset and with the reason, before it is launched."""

import contextlib
import inspect
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.deployment import lent
from blut_assets.paths import drifted
from blut_assets.stages import reuse
from blut_assets.stages.footprints import Cost, Kind, cost_before, expected_gpus
from blut_assets.stages.leasing import Leasing, expected
from blut_assets.stages.partitions import asset_of, own_partition, part, settled
from blut_assets.stages.spec import NotYet, StageConfig, StageSpec, in_order, spec_of, specs_of
from blut_assets.stages.stage import call, planned
from blut_resources.dagster_private.partitions import partitions_taken
from blut_resources.files.digest import digest_path
from blut_resources.instance.instance import home_of, store_of
from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import ArtifactStore, StoreError
from blut_resources.text import one_line

State = Literal["fresh", "reusable", "stale", "blocked", "always", "unseen"]


@dataclass(frozen=True)
class Planned:
    """Describes one asset of a plan.

    ``fresh``: its newest materialization is what a run would make. ``reusable``: an older one is.
    ``stale``: it would be computed. ``blocked``: that depends on what an asset above it comes to.
    ``always``: it looks at or acts on the outside world, so it runs every time.
    ``unseen``: it looks at the outside world and cannot, so a run would fail there.
    ``last_seconds`` and ``last_peak`` (bytes of memory) are what such a computation took, of what
    ``cost_of`` says; None if that is not known.
    ``partition`` is None for an asset without partitions. ``leases`` says what would be queued for where it
    is computed, ``never`` why that can never be given here, and ``note`` what is not as asked for.
    """

    asset: str
    state: State
    reason: str
    last_seconds: float | None
    digest: str | None = None
    cost_of: str = ""
    partition: str | None = None
    last_peak: int | None = None
    leases: str = ""
    never: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)


def plan(
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetsDefinition],
    configs: Mapping[dg.AssetKey, StageConfig],
    partition: str | None = None,
    beside: Sequence[object] = (),
) -> list[Planned]:
    """Plan a run of these assets in the order in which they would run.

    Sources are looked at, as a run would. The event log is asked once for all assets, and once more
    for each whose newest result does not fit.

    Args:
        partition: that of the run; needed where an asset has partitions.
        beside: assets that these may take and the run does not make.
    """
    specs = specs_of(assets)
    records = {r.asset_entry.asset_key: r for r in instance.get_asset_records(_with_inputs(specs))}
    latest = {key: r.asset_entry.last_materialization for key, r in records.items()}
    newest = MadeLast(instance, _still_there(instance, latest), specs_of([*beside, *assets]))
    planner = _Planner(instance, store_of(instance), newest, partition)
    for spec in in_order(specs):
        planner.add(spec, configs.get(spec.key) or spec.config())
    plain = [key.to_user_string() for asset in assets if not spec_of(asset) for key in asset.keys]
    every_time = "no stage asset, so nothing of it is reused and it runs every time"
    return [*planner.planned.values(), *(Planned(name, "always", every_time, None) for name in plain)]


def _still_there(
    instance: dg.DagsterInstance, latest: Mapping[dg.AssetKey, dg.EventLogEntry | None]
) -> dict[dg.AssetKey, dg.AssetMaterialization | None]:
    """Leave out those of deleted runs,
    which Dagster remembers although they are not in the event log any more.
    """
    ids = sorted({entry.run_id for entry in latest.values() if entry and entry.run_id})
    there = {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=ids))} if ids else set()
    return {
        key: entry.asset_materialization if entry and entry.run_id in {"", *there} else None
        for key, entry in latest.items()
    }


def _with_inputs(specs: Mapping[dg.AssetKey, StageSpec]) -> list[dg.AssetKey]:
    return list({*specs, *(key for spec in specs.values() for key in spec.inputs.values())})


def observe(
    store: ArtifactStore, spec: StageSpec, config: StageConfig, partition: str | None = None
) -> Artifact:
    """Returns what a source would record if it ran now, digest included.

    Only the store's notes of it change.

    Args:
        partition: of the run; a source without partitions is looked at as it is.

    Raises:
        Exception: whatever the source raises when it cannot be read.
    """
    own = own_partition(spec, partition)
    config = settled(spec, config, own, run=partition)
    with lent(spec.resources) as resources:
        stage = planned(spec, store, config, own, resources)
        result = call(stage, {}, config)
        artifact = _returned(result) if inspect.isgenerator(result) else result
    if artifact.digest:
        return artifact
    digest = digest_path(stage.out)
    shutil.rmtree(stage.out, ignore_errors=True)
    return artifact.stored_as(digest)


class MadeLast:
    """Finds what was made last: of an asset, or of one of its partitions."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        latest: Mapping[dg.AssetKey, dg.AssetMaterialization | None],
        specs: Mapping[dg.AssetKey, StageSpec],
    ) -> None:
        self._instance, self._latest, self._specs = instance, latest, specs

    def of(self, key: dg.AssetKey, partition: str | None) -> dg.AssetMaterialization | None:
        """Returns the newest materialization; None if there is none."""
        if partition is None:
            return self._latest.get(key)
        record = next(reuse.materializations(self._instance, key, partition, first=1), None)
        return record.asset_materialization if record else None

    def taken(self, spec: StageSpec, own: str | None, name: str) -> list[str | None]:
        """Returns which partitions of an input one partition of an asset takes; None stands for no
        partition.
        """
        above = self._specs.get(spec.inputs[name])
        if above is None or above.partitions is None:
            return [None]
        below = (spec.partitions, own) if spec.partitions and own is not None else None
        mapping = spec.mappings.get(name)
        return [*partitions_taken(self._instance, below, above.partitions, mapping)]


class _Planner:
    def __init__(
        self, instance: dg.DagsterInstance, store: ArtifactStore, newest: MadeLast, partition: str | None
    ) -> None:
        self._instance, self._store, self._newest, self._run = instance, store, newest, partition
        self.planned: dict[dg.AssetKey, Planned] = {}

    def add(self, spec: StageSpec, config: StageConfig) -> None:
        own = own_partition(spec, self._run)
        event = self._newest.of(spec.key, own)
        inputs = self._made(spec, own)
        try:
            config = settled(spec, config, own, run=self._run)
            inputs = self._inputs(spec, config, inputs)
            state, reason, digest = self._judge(spec, config, inputs, event)
        except Refused as error:  # what it depends on outside cannot be used now
            state, reason, digest = "unseen", one_line(error), None
        kind = Kind(config, inputs, expected_gpus(spec.footprint, config))
        cost = cost_before(self._instance, spec.key, kind) if event else Cost(None, "")
        computes = state in ("stale", "blocked")
        lease = expected(self._instance, spec, config, kind) if computes else Leasing()
        name = spec.key.to_user_string()
        key = own and str(own)
        self.planned[spec.key] = Planned(
            *(name, state, reason, cost.seconds, digest, cost.of, key, cost.peak),
            *(lease.text, lease.trouble, lease.note),
        )

    def _judge(
        self,
        spec: StageSpec,
        config: StageConfig,
        inputs: dict[str, str | None],
        event: dg.AssetMaterialization | None,
    ) -> tuple[State, str, str | None]:
        if spec.source:
            return self._judge_source(spec, config, event)
        if not spec.memoised:
            return "always", "acts on the outside world, so it runs every time", None
        unknown = [asset_of(spec, name) for name, digest in inputs.items() if digest is None]
        if unknown:
            return "blocked", f"depends on {', '.join(unknown)}; reused if that comes out unchanged", None
        if config.reuse == "never":
            return "stale", "reuse is `never`", None
        known = {name: digest for name, digest in inputs.items() if digest}
        return self._look_up(spec, config, known, event)

    def _judge_source(
        self, spec: StageSpec, config: StageConfig, event: dg.AssetMaterialization | None
    ) -> tuple[State, str, str | None]:
        try:
            digest = observe(self._store, spec, config, self._run).digest
            changed = drifted(home_of(self._instance), self._store, config, digest)
        except NotYet as error:
            return "always", str(error), None
        except Exception as error:  # a source that cannot be read now is an answer, not a crash
            return "unseen", f"cannot be looked at: {one_line(error)}", None
        known = event and reuse.digest_of(event) == digest
        seen = f"looked at on every run; its bytes are {'unchanged' if known else 'new'}"
        return "always", "; ".join([seen, *changed]), digest

    def _made(self, spec: StageSpec, own: str | None) -> dict[str, str | None]:
        """Returns the digests of its inputs, None for one that is not known yet."""
        found: dict[str, str | None] = {}
        for name, key in spec.inputs.items():
            taken = self._newest.taken(spec, own, name)
            if name in spec.several and (taken or own is not None):
                found |= {part(name, str(one)): self._input_digest(key, one) for one in taken}
            else:
                found[name] = self._input_digest(key, taken[0]) if len(taken) == 1 else None
        return found

    def _inputs(
        self, spec: StageSpec, config: StageConfig, inputs: dict[str, str | None]
    ) -> dict[str, str | None]:
        """Returns the digests that the fingerprint is made of;
        what it looks up only if the others are known.

        Raises:
            Refused: what it looks up cannot be used.
        """
        known = {name: digest for name, digest in inputs.items() if digest}
        return inputs | spec.looked_up(self._store, known, config) if len(known) == len(inputs) else inputs

    def _input_digest(self, key: dg.AssetKey, partition: str | None) -> str | None:
        if key in self.planned and self.planned[key].partition == partition:
            return self.planned[key].digest
        event = self._newest.of(key, partition)
        return (reuse.digest_of(event) or None) if event else None

    def _look_up(
        self,
        spec: StageSpec,
        config: StageConfig,
        inputs: dict[str, str],
        event: dg.AssetMaterialization | None,
    ) -> tuple[State, str, str | None]:
        own = own_partition(spec, self._run)
        wanted = spec.fingerprint(inputs, config, own)
        is_newest = event is not None and reuse.fingerprint_of(event) == wanted
        if event is not None and is_newest:
            with contextlib.suppress(StoreError, reuse.NoHandle):
                reuse.artifact_of(event, spec.output)
                self._store.verify(reuse.digest_of(event))
                return "fresh", "nothing it depends on has changed", reuse.digest_of(event)
        hit, damage = reuse.find_reusable(
            self._instance, self._store, spec.key, wanted, own, kind=spec.output, keep_damaged=True
        )
        if hit:
            return "reusable", f"made by {hit.words()}", reuse.digest_of(hit.event)
        why = _difference(event, spec.describe(inputs, config)) if event else "never materialized"
        return "stale", "; ".join([*damage, *([] if is_newest else [why])]), None


def _returned(generator: Any) -> Artifact:
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def _difference(event: dg.AssetMaterialization, now: Mapping[str, Any]) -> str:
    """Returns what changed since the newest materialization, part by part."""
    then = reuse.spec_of_event(event)
    if not then:
        return "its newest materialization was not made by Blut"
    words = []
    for section, verb in (
        ("code", "source changed"),
        ("inputs", "input changed"),
        ("config", "config changed"),
        ("environment", "environment changed"),
    ):
        old, new = then.get(section, {}), now.get(section, {})
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if names:
            detail = [_DETAIL[section](n, old, new) if section in _DETAIL else n for n in names]
            words.append(f"{verb}: {', '.join(detail)}")
    return "; ".join(words) or "declared differently (schema number)"


def _change(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(old.get(name))} -> {json.dumps(new.get(name))}"


def _version_change(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Returns ``numpy 2.3.1 -> 2.3.2``;
    where the version is the same, the start of the digest of its files tells.
    """
    then, now = str(old.get(name, "none")), str(new.get(name, "none"))
    short = [text.rpartition(" ")[0] or text for text in (then, now)]
    first, second = short if short[0] != short[1] else (then, now)
    return f"{name} {first} -> {second}"


_DETAIL = {"config": _change, "environment": _version_change}
