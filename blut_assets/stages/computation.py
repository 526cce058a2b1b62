"""Does what the engine does with one asset in one step, around the call of its stage function."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.pages.curves import kept_epoch
from blut_assets.pages.headline import facts_shown, headline, in_lines, in_order
from blut_assets.pages.metadata import KIND, bytes_shown
from blut_assets.paths import drifted
from blut_assets.stages import reuse
from blut_assets.stages.findings import Findings
from blut_assets.stages.footprints import Kind
from blut_assets.stages.made_before import made_before
from blut_assets.stages.notices import noticed
from blut_assets.stages.partitions import Taken, asset_of, one_by_one
from blut_assets.stages.payloads import PayloadRunner
from blut_assets.stages.ranks import RankedConfig, refuse_other_ranks
from blut_assets.stages.recording import RunRecorder
from blut_assets.stages.retries import Retries
from blut_assets.stages.spec import NOTHING, StageConfig, StageSpec
from blut_assets.stages.stage import Stage
from blut_assets.stages.until import Until
from blut_assets.stages.where import Where
from blut_resources.boxes.locks import LockLost
from blut_resources.dagster_private.names import DATA_VERSION_TAG
from blut_resources.dagster_private.unsaid import unsaid
from blut_resources.instance.instance import home_of, store_of
from blut_resources.machine.amounts import duration_text
from blut_resources.remote.attached import pushes
from blut_resources.runs.deadline import DeadlinePassed
from blut_resources.store import results
from blut_resources.store.artifacts import StoreError


class Computation:
    """Looks for an earlier result, keeps what a new one leaves, and says either as a materialization.

    Attributes:
        stage: what the stage function gets.
        record: what the run keeps of it.
        inputs: the artifacts that it takes, each partition for itself.
        fingerprint: of the asset with these inputs and this config.
        lost: says who computes this by now in the place of this process; empty as long as nobody does.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        spec: StageSpec,
        inputs: Taken,
        config: StageConfig,
        partition: str | None = None,
        resources: Mapping[str, Any] = NOTHING,
    ) -> None:
        self.context, self.spec, self.store = context, spec, store_of(context.instance)
        self.lost: Callable[[], str] = str
        self._config, self._partition = config, partition
        self.inputs = one_by_one(inputs)
        digests = {name: artifact.digest for name, artifact in self.inputs.items()}
        taken = {asset_of(spec, name): digest for name, digest in digests.items()}
        looked_up = spec.looked_up(self.store, digests, config)
        digests |= looked_up
        self._description = spec.describe(digests, config)
        self._fingerprint_of = functools.partial(spec.fingerprint, digests, partition=self._partition)
        self.fingerprint = self._fingerprint_of(config)
        self.name = spec.key.to_user_string()
        facts = {"fingerprint": self.fingerprint, "inputs": taken, "source": spec.source}
        facts |= {"partition": partition} if partition is not None else {}
        self.record = RunRecorder(home_of(context.instance), context, self.name, config, **facts)
        self.findings = Findings(spec, context.log.warning)
        self._until = Until(home_of(context.instance), context, config, self.name)
        where = Where(config.launcher, spec.footprint.launcher)
        kept = (self.record, self.findings, self._kind, self._until, self.refuse_lost, where)
        runner = PayloadRunner(context, spec, config.limits, *kept)
        known = (spec, self.store, config, self.fingerprint, looked_up, runner, self._find_earlier)
        self.stage = Stage(*known, partition, resources, goes_on=where.is_elsewhere)
        self.record.work = lambda: self.stage.work
        home = home_of(context.instance)
        self.retries = Retries(context, home, self.name, config.retries, self.record, self._until)
        self._held = contextlib.ExitStack()

    def refuse_late(self) -> None:
        """Refuse to compute after the deadline of the run.

        Raises:
            DeadlinePassed: it has come.
        """
        try:
            self._until.refuse()
        except DeadlinePassed as error:
            self.record.failed(error)
            raise

    def refuse_lost(self) -> None:
        """Refuse to go on, or to say a result, where another machine has taken over.

        Raises:
            LockLost: it has, since this one was not seen for too long.
        """
        if why := self.lost():
            raise LockLost(f"{self.name}: {why}: what this run has made of it is dropped")

    def look_up(self) -> reuse.Hit | None:
        """Returns a stored result with this fingerprint, if its bytes are there and sound."""
        wanted = (self.spec.key, self.fingerprint, self._partition)
        known = None if self._partition else made_before(self.context.run.run_id).of(self.context)
        hit, damage = reuse.find_reusable(
            self.context.instance, self.store, *wanted, kind=self.spec.output, known=known
        )
        for problem in damage:
            self.context.log.warning(f"{self.name}: {problem.removesuffix('.')}. It is computed again.")
        self._tell_of_remote()
        return hit

    def push(self, artifact: Artifact) -> None:
        """Copy a result to the remote, if that is asked for; the run does not fail for it."""
        if self.store.beyond and pushes(self._config.push):
            self.store.beyond.push(self.fingerprint, artifact.digest)
            self._tell_of_remote()

    def _tell_of_remote(self) -> None:
        """Say what was pulled, or why nothing could be."""
        told = self.store.beyond.told if self.store.beyond else []
        while told:
            self.context.log.info(f"{self.name}: {told.pop(0)}")

    def _find_earlier(self) -> Artifact | None:
        """Returns the newest artifact that the same code and config made, and keeps it while it works."""
        found = reuse.find_earlier(
            self.context.instance, self.store, self.spec, self._description, self._partition
        )
        if found:
            self._held.enter_context(self.store.in_use(found.digest))
        return found

    def refuse_other_ranks(self) -> None:
        """Refuse to begin anew what another number of processes has left half done. Raises Refused."""
        if isinstance(self._config, RankedConfig):
            refuse_other_ranks(self._config, self.store, self._fingerprint_of)

    def release(self) -> None:
        """Let go of what it was computed beside."""
        self._held.close()

    def show_bytes(self, artifact: Artifact) -> None:
        """Show what the asset has to show of its bytes; a failure here is not a reason to lose them."""
        if self.spec.show is None:
            return
        try:
            self.findings.show(**self.spec.show(self.stage.open(artifact)))
        except Exception as error:
            self.context.log.warning(f"{self.name}: cannot be shown: {type(error).__name__}: {error}")

    def kept_epoch(self, artifact: Artifact) -> int | None:
        """Returns the epoch whose state an artifact is, if it says so."""
        with contextlib.suppress(StoreError):
            return kept_epoch(self.stage.open(artifact))
        return None

    def say_drifted(self, artifact: Artifact) -> None:
        """Say of data that has a name that it is not what it was when it got it."""
        home = home_of(self.context.instance)
        for text in drifted(home, self.store, self._config, artifact.digest):
            self.context.log.warning(f"{self.name}: {text}")
            self.findings.show(dataset=text)

    @property
    def work(self) -> Path | None:
        """Returns the work directory, if the stage function had use for it."""
        return self.stage.work if "work" in vars(self.stage) else None

    def put(self) -> str:
        """Move what was written to ``out`` into the store."""
        return self.store.put(self.stage.out, kin=self.stage.kin)

    def discard_out(self) -> None:
        """Drop what was written to ``out`` and not put into the store."""
        if "out" in vars(self.stage):
            with contextlib.suppress(StoreError):
                self.store.discard(self.stage.out, kin=self.stage.kin)

    def discard_work(self) -> None:
        """Drop what was kept for a resume; the result is recorded.

        Where another machine has taken over meanwhile, its directory has that name by now, and stays.
        """
        if not self.lost():
            self.store.discard_work(self.fingerprint)

    def result(self, artifact: Artifact, seconds: float) -> dg.MaterializeResult[Any]:
        """Returns the materialization of a computed artifact."""
        metadata = {
            **facts_shown(artifact, self.spec.headline),
            **self.findings.shown,
            reuse.ARTIFACT: dg.MetadataValue.json(artifact.model_dump(mode="json")),
            reuse.SPEC: dg.MetadataValue.json(
                {
                    **self._description,
                    **self._kind(self.findings.gpus).noted(),
                    reuse.LOOKED_UP: sorted(self.stage.looked_up),
                }
            ),
            reuse.SECONDS: round(seconds, 3),
            reuse.ORIGIN: dg.MetadataValue.dagster_run(self.context.run.run_id),
            reuse.REUSED: False,
        }
        note = f"Computed in {duration_text(seconds)}."
        result = self._materialize(artifact, metadata, note, self.findings.reusable)
        if self.findings.reusable:
            self._note(artifact.digest, result)
        return result

    def _note(self, digest: str, result: dg.MaterializeResult[Any]) -> None:
        """Write it down beside its bytes; without that it is still in the event log."""
        event = dg.AssetMaterialization(
            self.spec.key, metadata=result.metadata, partition=self._partition, tags=result.tags
        )
        try:
            home, run_id = home_of(self.context.instance), self.context.run.run_id
            found = results.Result(digest, run_id, time.time(), event, results.made_here(home))
            results.note(self.store.root, found, self.record.epochs())
        except StoreError as error:
            self.context.log.warning(f"{self.name}: only this instance will reuse it: {error}")

    def reused(self, artifact: Artifact, hit: reuse.Hit) -> Iterator[Any]:
        """Yields the materialization of a stored artifact:
        the old facts, and links to where the rest of it is.

        Where the asset has a freshness policy, and this result is its newest already, that is an observation:
        nothing is any fresher than it was.
        """
        there = made_before(self.context.run.run_id).there
        known = reuse.recalled(self.context.instance, self.store, hit, artifact.facts(), there)
        metadata = {**known, reuse.REUSED: True, **_origin(hit)}
        note = "  \n".join(["**Reused**: nothing was computed.", *in_lines(f"Made by {hit.words()}.", 200)])
        result = self._materialize(artifact, metadata, note, True, hit.event.metadata)
        if not (self._has_freshness() and self._is_newest(artifact)):
            yield self._said_once(result)
            return
        yield from self._observed(artifact, result)

    def told(self, artifact: Artifact, seconds: float) -> Iterator[Any]:
        """Yields the materialization of a computed artifact; where its function says that nothing is new, an
        observation.
        """
        result = self.result(artifact, seconds)
        yield from [self._said_once(result)] if self.findings.news else self._observed(artifact, result)

    def _said_once(self, result: dg.MaterializeResult[Any]) -> dg.MaterializeResult[Any]:
        """Returns a result whose metadata goes into the event of its materialization alone.

        What a result brings along itself, Dagster writes into the event of the step's output as well, and
        pictures weigh more than all other events of a run.
        """
        self.context.add_asset_metadata(result.metadata or {})
        return dg.MaterializeResult(
            value=result.value,
            data_version=result.data_version,
            tags=result.tags,
            check_results=result.check_results,
        )

    def _observed(self, artifact: Artifact, result: dg.MaterializeResult[Any]) -> Iterator[Any]:
        tags = {**(result.tags or {}), DATA_VERSION_TAG: artifact.digest}
        yield dg.AssetObservation(
            self.context.asset_key, partition=self._partition, metadata=result.metadata, tags=tags
        )
        yield from result.check_results or ()
        yield unsaid(artifact)

    def _has_freshness(self) -> bool:
        spec = self.context.assets_def.specs_by_key[self.context.asset_key]
        return spec.freshness_policy is not None

    def _is_newest(self, artifact: Artifact) -> bool:
        made = reuse.materializations(self.context.instance, self.spec.key, self._partition, first=1)
        event = record.asset_materialization if (record := next(made, None)) else None
        same = event is not None and reuse.digest_of(event) == artifact.digest
        return same and reuse.fingerprint_of(event) == self.fingerprint

    def _materialize(
        self,
        artifact: Artifact,
        metadata: Mapping[str, Any],
        note: str,
        reusable: bool,
        computed: Mapping[str, Any] | None = None,
    ) -> dg.MaterializeResult[Any]:
        tags = {reuse.FINGERPRINT_TAG: self.fingerprint} if reusable else {}
        version = dg.DataVersion(artifact.digest)
        first = headline(artifact, self.spec.headline, note)
        rest = {**metadata, **bytes_shown(self.store, artifact.digest), KIND: self.spec.output.kind}
        shown = in_order({**first, **rest})
        checks = noticed(self.spec.notices, artifact, shown if computed is None else computed)
        return dg.MaterializeResult(
            value=artifact, metadata=shown, data_version=version, tags=tags, check_results=checks
        )

    def _kind(self, gpus: int) -> Kind:
        """Returns what drives the cost of it, with so many GPUs."""
        return Kind(self._config, self._description["inputs"], gpus)


def _origin(hit: reuse.Hit) -> dict[str, Any]:
    """Returns which run has computed it: a link, where it is in this history."""
    if not hit.elsewhere:
        return {reuse.ORIGIN: dg.MetadataValue.dagster_run(hit.origin)}
    return {reuse.ORIGIN: dg.MetadataValue.text(hit.origin), reuse.MADE_BY: hit.elsewhere}
