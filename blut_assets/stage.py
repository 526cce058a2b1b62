"""Stage: what a stage function gets to work with.

``reusable`` may be set to False by a stage function whose result must not answer a later run.
"""

import base64
import os
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from blut_assets import reuse
from blut_assets.artifacts import Artifact
from blut_assets.limits import LimitsConfig
from blut_resources import machine
from blut_resources.containment import Enforcement, Limits, Outcome
from blut_resources.containment.limits import parse_size
from blut_resources.leases import Lease, Needs, estimate, lease
from blut_resources.store import ArtifactStore
from blut_resources.trainer import Payload, PayloadFailed, run_payload

if TYPE_CHECKING:
    from blut_assets.stages import StageSpec

EMBED_LIMIT = 400_000
STEP_LOG_S = 10.0
WAITING_TAG = "blut/waiting"


class Stage:
    """One computation of one artifact: where to read, where to write, and how to run a payload."""

    def __init__(
        self,
        context: dg.AssetExecutionContext | None,
        store: ArtifactStore,
        spec: "StageSpec",
        fingerprint: str,
        description: Mapping[str, Any],
        limits: LimitsConfig = LimitsConfig(),  # noqa: B008  (frozen)
    ) -> None:
        self._context, self.store, self.spec, self.fingerprint = context, store, spec, fingerprint
        self._limits = limits
        self.name = spec.key.to_user_string()
        self.reusable = spec.memoised
        self._description = description
        self._shown: dict[str, Any] = {}

    @property
    def planning(self) -> bool:
        """True when a plan asks a source what it would see: it must change nothing then."""
        return self._context is None

    @property
    def context(self) -> dg.AssetExecutionContext:
        """Dagster's context of the running step."""
        assert self._context is not None, "a plan has no execution context"
        return self._context

    @cached_property
    def out(self) -> Path:
        """An empty directory; what is in it when the function returns becomes the artifact."""
        if self._limits.on_orphan == "adopt":  # where the next run can find it
            out = self.work / "out"
            out.mkdir(exist_ok=True)
            return out
        return self.store.staging()

    @cached_property
    def work(self) -> Path:
        """A directory that outlives an attempt and is the same for the next one with this fingerprint."""
        return self.store.work_dir(self.fingerprint)

    def open(self, artifact: Artifact) -> Path:
        """The bytes of an artifact, verified.

        Raises:
            StoreError: if they are missing or damaged.
        """
        return self.store.open(artifact.digest)

    def show(self, **metadata: Any) -> None:
        """Add metadata to the materialization."""
        self._shown |= metadata

    def run(
        self,
        module: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, Path],
        out: Path | None = None,
        work: Path | None = None,
        gpus: int | None = None,
    ) -> Generator[dg.AssetObservation, None, dict[str, Any]]:
        """Run a payload module; yields an observation per epoch and returns the facts it ended with.

        It waits here until the memory and GPUs it needs are free; a hit in the store never gets here.
        ``gpus`` says how many where the footprint of the asset does not know: 0 for a training on the CPU.

        Raises:
            PayloadFailed: if it did not reach ``done``; after an out-of-memory kill only when no larger
                limit was allowed.
        """
        limits: Limits | None = self._limits.resolve(self.spec.footprint.limits)
        facts: dict[str, Any] = {}
        while limits is not None:
            payload = Payload(
                module, config, inputs, out or self.out, work or self.work, self.fingerprint,
                self.name, limits, self._limits.on_orphan == "adopt",
            )  # fmt: skip
            try:
                facts = yield from self._events(payload, gpus)
                limits = None
            except PayloadFailed as error:
                larger = self._limits.next_size_up(limits) if error.outcome.kind == "oom-kill" else None
                if larger is None:
                    raise
                self.context.log.warning(f"{error}\n{self.name}: again, with {larger.memory_max} bytes")
                limits = larger
        return facts

    def _events(self, payload: Payload, gpus: int | None) -> Generator[dg.AssetObservation, None, dict[str, Any]]:
        facts: dict[str, Any] = {}
        quiet_until = 0.0
        for event in run_payload(self.context, payload, lambda: self._admit(payload.limits, gpus)):
            if event["event"] == "epoch":
                metrics = event["metrics"]
                words = " ".join(f"{name}={value:.4g}" for name, value in metrics.items())
                self.context.log.info(f"{self.name}: epoch {event['epoch']}: {words}")
                yield dg.AssetObservation(self.spec.key, metadata={"epoch": event["epoch"], **metrics})
            elif event["event"] == "step" and time.monotonic() > quiet_until:
                quiet_until = time.monotonic() + STEP_LOG_S
                words = " ".join(f"{name}={value:.4g}" for name, value in event["values"].items())
                self.context.log.info(f"{self.name}: step {event['step']}: {words}")
            elif event["event"] == "artifact":
                self.show(**{event["name"]: _picture(Path(event["path"]), event["media_type"])})
            elif event["event"] == "done":
                facts = event["facts"]
            elif event["event"] == "ended":
                self._show_cost(event["outcome"], event["enforcement"])
        return facts

    def _show_cost(self, outcome: Outcome, enforcement: Enforcement) -> None:
        peak = max(outcome.peak or 0, self._shown.get(reuse.PEAK, 0))
        self.show(**{"containment": enforcement.describe(), **({reuse.PEAK: peak} if peak else {})})

    def _admit(self, limits: Limits, gpus: int | None) -> AbstractContextManager[Lease]:
        """Queue for what the payload needs: its limit, else what it took before, else what was declared."""
        footprint = self.spec.footprint
        declared = parse_size(footprint.memory, "footprint.memory") if footprint.memory else None
        peaks = reuse.measured_peaks(self.context.instance, self.spec.key)
        if gpus is None:
            gpus = min(1, len(machine.gpus())) if footprint.gpus == "any" else footprint.gpus
        needs = Needs(
            memory=estimate(declared, peaks, limits.memory_max),
            gpus=gpus,
            vram=parse_size(footprint.vram, "footprint.vram") if footprint.vram and gpus else 0,
        )
        holder = {"run": self.context.run.run_id, "asset": self.name, "pid": str(os.getpid())}
        return lease(needs, holder=holder, on_wait=self._say_waiting)

    def _say_waiting(self, text: str) -> None:
        self.context.log.info(f"{self.name}: {text}")
        self.context.instance.add_run_tags(self.context.run.run_id, {WAITING_TAG: text})

    def look_up(self) -> reuse.Hit | None:
        """A stored result with this fingerprint, if its bytes are there and sound."""
        partition = self.context.partition_key if self.context.has_partition_key else None
        hit, damage = reuse.find_reusable(
            self.context.instance, self.store, self.spec.key, self.fingerprint, partition
        )
        for problem in damage:
            self.context.log.warning(f"{self.name}: {problem} It is computed again.")
        return hit

    def put(self) -> str:
        """Move what was written to ``out`` into the store."""
        return self.store.put(self.out)

    def discard_out(self) -> None:
        """Drop what was written to ``out`` and not put into the store."""
        shutil.rmtree(self.__dict__.get("out", ""), ignore_errors=True)

    def discard_work(self) -> None:
        """Drop what was kept for a resume; the result is recorded."""
        self.store.discard_work(self.fingerprint)

    def result(self, artifact: Artifact, seconds: float) -> dg.MaterializeResult[Any]:
        """The materialization of a computed artifact."""
        metadata = {
            **_plottable(artifact),
            **self._shown,
            reuse.ARTIFACT: dg.MetadataValue.json(artifact.model_dump(mode="json")),
            reuse.SPEC: dg.MetadataValue.json(dict(self._description)),
            reuse.SECONDS: round(seconds, 3),
            reuse.ORIGIN: dg.MetadataValue.dagster_run(self.context.run.run_id),
            reuse.REUSED: False,
        }
        return self._materialize(artifact, metadata, self.reusable)

    def reused(self, artifact: Artifact, hit: reuse.Hit) -> dg.MaterializeResult[Any]:
        """The materialization of a stored artifact: the old facts, and a link to the run that made it."""
        origin = dg.MetadataValue.dagster_run(hit.origin)
        metadata = {**hit.event.metadata, reuse.REUSED: True, reuse.ORIGIN: origin}
        return self._materialize(artifact, metadata, True)

    def _materialize(
        self, artifact: Artifact, metadata: Mapping[str, Any], reusable: bool
    ) -> dg.MaterializeResult[Any]:
        tags = {reuse.FINGERPRINT_TAG: self.fingerprint} if reusable else {}
        version = dg.DataVersion(artifact.digest)
        return dg.MaterializeResult(value=artifact, metadata=metadata, data_version=version, tags=tags)


def _plottable(artifact: Artifact) -> dict[str, Any]:
    """Facts as metadata of their own: Dagster plots numbers over materializations."""
    return {k: v for k, v in artifact.facts().items() if isinstance(v, bool | int | float | str)}


def _picture(path: Path, media_type: str) -> dg.MetadataValue:
    """Dagster has no image metadata; markdown with a data URI is shown as a picture."""
    if not media_type.startswith("image/") or path.stat().st_size > EMBED_LIMIT:
        return dg.MetadataValue.text(f"{path.name}, in the artifact")
    data = base64.b64encode(path.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{path.stem}](data:{media_type};base64,{data})")
