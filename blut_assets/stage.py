"""Stage: what a stage function gets to work with.

``reusable`` may be set to False by a stage function whose result must not answer a later run.
"""

import inspect
import json
import os
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from blut_assets import reuse
from blut_assets.artifacts import Artifact
from blut_assets.footprints import Kind
from blut_assets.limits import NO_LIMITS
from blut_assets.recording import Recording
from blut_assets.running import run
from blut_assets.showing import harmless
from blut_resources import results
from blut_resources.containment.isolation import HELD, Held, Isolation
from blut_resources.distributions import Environment, environment
from blut_resources.foreign_text import one_line
from blut_resources.isolated import VARIABLES
from blut_resources.machine import check_shared_memory
from blut_resources.payload_files import PayloadFiles
from blut_resources.store import ArtifactStore, StoreError
from blut_resources.trainer import Payload, can_be_taken_over

if TYPE_CHECKING:
    from blut_assets.stages import StageConfig, StageSpec


class Stage:
    """One computation of one artifact: where to read, where to write, and how to run a payload."""

    def __init__(
        self,
        context: dg.AssetExecutionContext | None,
        store: ArtifactStore,
        spec: "StageSpec",
        fingerprint: str,
        description: Mapping[str, Any],
        config: "StageConfig | None" = None,
        record: Recording | None = None,
    ) -> None:
        self._context, self.store, self.spec, self.fingerprint = context, store, spec, fingerprint
        self._config, self._record = config, record
        self.limits = config.limits if config else NO_LIMITS
        self.name = spec.key.to_user_string()
        self.reusable = spec.memoised
        self.looked_up: Mapping[str, str] = {}
        """Digests by name of what its ``looks_up`` found when it began."""
        self.gpus = 0
        """How many its payloads were given at most."""
        self._description = description
        self.isolation: Held | None = None
        self._outside: dict[Path, dict[str, Any]] = {}
        self.shown: dict[str, Any] = {}

    @property
    def planning(self) -> bool:
        """True when a plan asks a source what it would see: it must change nothing then."""
        return self._context is None

    @property
    def context(self) -> dg.AssetExecutionContext:
        """Dagster's context of the running step."""
        assert self._context is not None, "a plan has no execution context"
        return self._context

    @property
    def record(self) -> Recording:
        """What the run keeps of it."""
        assert self._record is not None, "a plan leaves nothing behind"
        return self._record

    @cached_property
    def out(self) -> Path:
        """A directory; what is in it when the function returns becomes the artifact.

        Empty, but for what a payload that outlived its run has written there.
        """
        taken_over = not self.planning and can_be_taken_over(self.work)
        if not taken_over and self.limits.on_orphan != "adopt":
            return self.store.staging()
        out = self.work / "out"  # where the next run finds it
        if not taken_over:
            shutil.rmtree(out, ignore_errors=True)
        out.mkdir(exist_ok=True)
        return out

    @cached_property
    def work(self) -> Path:
        """A directory that outlives an attempt and is the same for the next one with this fingerprint."""
        return self.store.work_dir(self.fingerprint)

    def open(self, artifact: Artifact | str) -> Path:
        """The bytes of an artifact, or of a digest, verified.

        A payload that gets them as an input reads what was verified, also where they lie outside the store.

        Raises:
            StoreError: if they are missing or damaged.
        """
        digest = artifact if isinstance(artifact, str) else artifact.digest
        path = self.store.open(digest)
        if told := self.store.outside(digest):
            self._outside[path] = told
        return path

    def show(self, /, **metadata: Any) -> None:
        """Add metadata to the materialization, made harmless: texts may be of strangers."""
        self.shown |= {one_line(name): harmless(value) for name, value in metadata.items()}

    def run(
        self,
        module: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, Path],
        out: Path | None = None,
        work: Path | None = None,
        gpus: int | None = None,
        workers: int = 0,
        batch_bytes: int = 0,
        isolated: Isolation | None = None,
        variables: Sequence[str] = (),
    ) -> Generator[dg.AssetObservation, None, dict[str, Any]]:
        """Run a payload module; yields an observation per epoch and returns the facts it ended with.

        It waits here until the memory and GPUs it needs are free; a hit in the store never gets here.
        ``gpus`` says how many where the footprint of the asset does not know: 0 for a training on the CPU.
        The payload sees those that it got, and no other. ``workers`` of a DataLoader pass their batches, of
        ``batch_bytes`` each, through /dev/shm.

        One that is ``isolated`` opens nothing but its inputs, ``out``, a directory of its own and what that
        says besides; its environment is clean and its ``work`` its own. `isolation` says what holds it.

        Of the environment a payload gets what computing needs, and no secrets; ``variables`` names what this
        one needs besides, such as a key.

        Raises:
            SharedMemoryTooSmall: if /dev/shm has no room for those; nothing was started or waited for.
            CodeEdited: if the source of the payload has changed since the definitions were loaded.
            PayloadFailed: if it did not reach ``done``; after an out-of-memory kill only when no larger
                limit was allowed.
        """
        check_shared_memory(workers, batch_bytes)
        payload = Payload(
            *(module, config, inputs, out or self.out, work or self.work, self.fingerprint, self.name),
            adopt=self.limits.on_orphan == "adopt" and isolated is None,
            isolation=isolated,
            variables=tuple(variables),
            compiled=self.store.root / "compiled",
            outside={name: self._outside[path] for name, path in inputs.items() if path in self._outside},
            watch=self._config.watch() if self._config else {},
            files=self._files(module),
        )
        return (yield from run(self, payload, gpus))

    @cached_property
    def environment(self) -> Environment:
        """What its isolated payloads find installed and set; listed are its declared ``distributions``."""
        return environment(self.spec.distributions, VARIABLES)

    def note_isolation(self, held: Held) -> None:
        """What holds an isolated payload; of several the weakest counts.

        Where nothing does, the result says so, and does not answer a run on a machine where something would.
        """
        if held == "none":
            self.reusable = False
            self.context.log.warning(
                f"{self.name}: nothing here can keep a process from the rest of the machine (neither Landlock"
                " nor user namespaces): isolation is `none`, and the result is not reused"
            )
        self.isolation = HELD[max(HELD.index(one) for one in (held, self.isolation or held))]

    def _files(self, module: str) -> PayloadFiles:
        """What the payload is started from; one that was not declared is no part of the fingerprint."""
        files = self.spec.code.files(module)
        if files is not None:
            return files
        if self.reusable:
            self.reusable = False
            self.context.log.warning(
                f"{self.name}: {module} is not among the payloads of its stage_asset, so its source is no"
                " part of the code version: the result is not reused. Add it to payloads=[...]"
            )
        return PayloadFiles()

    def found_uncounted(self, path: Path) -> None:
        """Its payload has read a file of its own package that is no part of the code version."""
        self.reusable = False
        beside = os.path.relpath(path, Path(inspect.getfile(self.spec.function)).absolute().parent)
        self.context.log.warning(
            f"{self.name}: the payload has read {one_line(path)}, which is no part of the code version: an"
            " edit of it would not be noticed, so the result is not reused. Declare it in its stage_asset:"
            f" data=[{json.dumps(one_line(beside))}]"
        )

    def look_up(self) -> reuse.Hit | None:
        """A stored result with this fingerprint, if its bytes are there and sound."""
        partition = self.context.partition_key if self.context.has_partition_key else None
        wanted = (self.spec.key, self.fingerprint, partition)
        hit, damage = reuse.find_reusable(self.context.instance, self.store, *wanted, kind=self.spec.output)
        for problem in damage:
            self.context.log.warning(f"{self.name}: {problem} It is computed again.")
        return hit

    def kind(self, gpus: int) -> Kind:
        """What drives the cost of it, with so many GPUs."""
        assert self._config is not None, "a plan computes nothing"
        return Kind(self._config, self._description["inputs"], gpus)

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
            **self.shown,
            reuse.ARTIFACT: dg.MetadataValue.json(artifact.model_dump(mode="json")),
            reuse.SPEC: dg.MetadataValue.json({**self._description, **self.kind(self.gpus).noted()}),
            reuse.SECONDS: round(seconds, 3),
            reuse.ORIGIN: dg.MetadataValue.dagster_run(self.context.run.run_id),
            reuse.REUSED: False,
        }
        result = self._materialize(artifact, metadata, self.reusable)
        if self.reusable:
            self._note(artifact.digest, result)
        return result

    def _note(self, digest: str, result: dg.MaterializeResult[Any]) -> None:
        """Write it down beside its bytes; without that it is still in the event log."""
        partition = self.context.partition_key if self.context.has_partition_key else None
        event = dg.AssetMaterialization(
            self.spec.key, metadata=result.metadata, partition=partition, tags=result.tags
        )
        try:
            results.note(self.store.root, results.Result(digest, self.context.run.run_id, time.time(), event))
        except StoreError as error:
            self.context.log.warning(f"{self.name}: only this instance will reuse it: {error}")

    def reused(self, artifact: Artifact, hit: reuse.Hit) -> dg.MaterializeResult[Any]:
        """The materialization of a stored artifact: the old facts, and links to where the rest of it is."""
        known = reuse.recalled(self.context.instance, self.store, hit, artifact.facts())
        metadata = {**known, reuse.REUSED: True, reuse.ORIGIN: dg.MetadataValue.dagster_run(hit.origin)}
        return self._materialize(artifact, metadata, True)

    def _materialize(
        self, artifact: Artifact, metadata: Mapping[str, Any], reusable: bool
    ) -> dg.MaterializeResult[Any]:
        tags = {reuse.FINGERPRINT_TAG: self.fingerprint} if reusable else {}
        version = dg.DataVersion(artifact.digest)
        return dg.MaterializeResult(value=artifact, metadata=metadata, data_version=version, tags=tags)


def _plottable(artifact: Artifact) -> dict[str, Any]:
    """Facts as metadata of their own: Dagster plots numbers over materializations."""
    facts = artifact.facts().items()
    return {k: harmless(v) for k, v in facts if isinstance(v, bool | int | float | str)}
