"""Gives a stage function what it works with."""

import inspect
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages.findings import Findings
from blut_assets.stages.partitions import Taken, dimensions_of
from blut_assets.stages.payloads import PayloadRunner
from blut_assets.stages.spec import NOTHING, NotYet, StageConfig, StageSpec
from blut_resources.containment.sandbox.isolation import Held, Isolation
from blut_resources.machine.memory import check_shared_memory
from blut_resources.payload_kit.cache import cache_root
from blut_resources.payloads.distributions import Environment, environment
from blut_resources.payloads.files import PayloadFiles
from blut_resources.payloads.isolated import VARIABLES
from blut_resources.payloads.payload import Payload
from blut_resources.payloads.taking_over import can_be_taken_over
from blut_resources.store.artifacts import ArtifactStore


class Stage:
    """Stands for one computation of one artifact: where to read, where to write, and how to run a payload.

    Attributes:
        name: the asset, such as ``lamquant/joint_checkpoint``.
        spec: what the asset was declared with.
        store: the artifact store.
        limits: what its payloads may use at most.
        looked_up: digests by name of what the asset's ``looks_up`` found when it began.
        resources: of the deployment, that the function takes, by parameter name.
        partition: the key of what is made; None for an asset without partitions. It is a part of the
            fingerprint.
        kin: the digest of an artifact whose files may be hard-linked into ``out``: a link stays one in the
            store. `earlier` sets it.
    """

    def __init__(
        self,
        spec: StageSpec,
        store: ArtifactStore,
        config: StageConfig,
        fingerprint: str,
        looked_up: Mapping[str, str],
        runner: PayloadRunner | None = None,
        find_earlier: Callable[[], Artifact | None] | None = None,
        partition: str | None = None,
        resources: Mapping[str, Any] = NOTHING,
        *,
        goes_on: bool = False,
    ) -> None:
        self.spec, self.store, self.partition, self.resources = spec, store, partition, resources
        self.name = spec.key.to_user_string()
        self.limits = config.limits
        self.looked_up = looked_up
        self._config, self._fingerprint, self._running = config, fingerprint, runner
        self._outside: dict[Path, dict[str, Any]] = {}
        self._find_earlier = find_earlier
        self.kin: str | None = None
        # a job of another machine outlives this one, or its connection
        self._goes_on = goes_on or self.limits.on_orphan == "adopt"

    @property
    def planning(self) -> bool:
        """Says whether a plan asks a source what it would see: it must change nothing then."""
        return self._running is None

    @property
    def context(self) -> dg.AssetExecutionContext:
        """Returns Dagster's context of the running step."""
        return self._runner().context

    @property
    def dimensions(self) -> Mapping[str, str]:
        """Returns the keys of the partition by dimension; empty where there is only one."""
        return dimensions_of(self.partition)

    @property
    def window(self) -> dg.TimeWindow | None:
        """Returns from when to when the partition goes; None where partitions are something else."""
        times = self.spec.partitions
        if self.partition is None or not isinstance(times, dg.TimeWindowPartitionsDefinition):
            return None
        return times.time_window_for_partition_key(self.partition)

    @property
    def reusable(self) -> bool:
        """Says whether the result may answer a later run; a stage function may set it to False."""
        return self._findings.reusable

    @reusable.setter
    def reusable(self, value: bool) -> None:
        self._findings.reusable = value

    @property
    def news(self) -> bool:
        """Says whether what became of it counts as a new version, which renews freshness and is told to who
        listens; a stage function that acts on the outside world, and had nothing to do, sets it to False.
        """
        return self._findings.news

    @news.setter
    def news(self, value: bool) -> None:
        self._findings.news = value

    @property
    def isolation(self) -> Held | None:
        """Returns what holds its isolated payloads, the weakest of them; None before there was one."""
        return self._findings.isolation

    @property
    def messages(self) -> list[Any]:
        """Returns the custom messages of its payloads that are ordinary Pipes scripts, in their order."""
        return self._findings.messages

    @property
    def shown(self) -> dict[str, Any]:
        """Returns the metadata of the materialization so far."""
        return self._findings.shown

    def show(self, /, **metadata: Any) -> None:
        """Add metadata to the materialization, made harmless: texts may be of strangers."""
        self._findings.show(**metadata)

    @cached_property
    def out(self) -> Path:
        """Returns a directory; what is in it when the function returns becomes the artifact.

        Empty, but for what a payload that outlived its run has written there.
        """
        taken_over = not self.planning and can_be_taken_over(self.work)
        if not taken_over and not self._goes_on:
            return self.store.staging()
        out = self.work / "out"  # where the next run finds it
        if not taken_over:
            shutil.rmtree(out, ignore_errors=True)
        out.mkdir(exist_ok=True)
        return out

    @cached_property
    def work(self) -> Path:
        """Returns a directory that outlives an attempt and is the same for the next one with this
        fingerprint.
        """
        return self.store.work_dir(self._fingerprint)

    def open(self, artifact: Artifact | str) -> Path:
        """Returns the bytes of an artifact, or of a digest, verified.

        A payload that gets them as an input reads what was verified, also where they lie outside the store.

        Raises:
            StoreError: if they are missing or damaged.
        """
        digest = artifact if isinstance(artifact, str) else artifact.digest
        path = self.store.open(digest)
        if told := self.store.outside(digest):
            # two artifacts may lie in one directory; a payload that reads either finds the files of both
            before = self._outside.get(path, {"files": {}})
            self._outside[path] = {**told, "files": before["files"] | told["files"]}
        return path

    def earlier(self) -> Artifact | None:
        """Returns the newest artifact of this asset that the same code made with the same config.

        Its inputs may have been others. It is not in the fingerprint: the result must be what it would be
        without it, and only cost less. It stays while the function works, and is `kin`.
        """
        found = self._find_earlier() if self._find_earlier else None
        self.kin = found.digest if found else None
        return found

    def run(
        self,
        module: str,
        *,
        config: Mapping[str, Any],
        inputs: Mapping[str, Path],
        out: Path | None = None,
        work: Path | None = None,
        gpus: int | None = None,
        cpus: int | None = None,
        ranks: int = 1,
        workers: int = 0,
        batch_bytes: int = 0,
        isolated: Isolation | None = None,
        variables: Sequence[str] = (),
    ) -> Generator[dg.AssetObservation, None, dict[str, Any]]:
        """Run a payload module; yields an observation per epoch and returns the facts it ended with.

        It waits here until what it needs is free; a hit in the store never gets here. ``gpus`` and ``cpus``
        say how many where the footprint of the asset does not know: no GPU for a training on the CPU. The
        payload sees the GPUs that it got and no other, and numeric libraries compute with so many threads as
        CPUs. ``ranks`` processes of it train together, each with so many threads, in one unit, by one lease
        and below one limit; see `blut_resources.payload_kit.ranks`. ``workers`` of a DataLoader pass their
        batches, of ``batch_bytes`` each, through /dev/shm.

        One that is ``isolated`` opens nothing but its inputs, ``out``, a directory of its own and what that
        says besides; its environment is clean and its ``work`` its own. `isolation` says what holds it.

        An ordinary Pipes script will do: it finds ``config``, ``inputs``, ``out`` and ``work`` in the extras
        of its context. The metadata of the materialization that it reports are its facts, and are shown; its
        checks are kept too, and `messages` has its custom messages.

        Of the environment a payload gets what computing needs, and no secrets; ``variables`` names what this
        one needs besides, such as a key.

        Raises:
            SharedMemoryTooSmall: if /dev/shm has no room for those; nothing was started or waited for.
            CodeEdited: if the source of the payload has changed since the definitions were loaded.
            PayloadFailed: if it did not reach ``done``.
            RetryRequested: if it was killed for lack of memory and a larger limit is allowed: Dagster makes
                another attempt of the step, whose payload finds what it has left in ``work``.
        """
        check_shared_memory(workers, batch_bytes)
        payload = Payload(
            *(module, config, inputs, out or self.out, work or self.work, self._fingerprint, self.name),
            adopt=self._goes_on and isolated is None,
            isolation=isolated,
            variables=tuple(variables),
            ranks=ranks,
            compiled=cache_root() / "compiled",
            outside={name: self._outside[path] for name, path in inputs.items() if path in self._outside},
            watch=self._config.watch(),
            files=self._files(module),
        )
        return (yield from self._runner().run(payload, gpus, cpus))

    @cached_property
    def environment(self) -> Environment:
        """Returns what its isolated payloads find installed and set;
        listed are its declared ``distributions``.
        """
        return environment(self.spec.distributions, VARIABLES)

    def _files(self, module: str) -> PayloadFiles:
        """Returns what the payload is started from;
        one that was not declared is not a part of the fingerprint.
        """
        files = self.spec.code.files(module)
        if files is None:
            self._findings.found_undeclared(module)
        return files or PayloadFiles()

    def _runner(self) -> PayloadRunner:
        assert self._running is not None, "a plan runs nothing"
        return self._running

    @cached_property
    def _findings(self) -> Findings:
        return self._running.findings if self._running else Findings(self.spec, lambda text: None)


def planned(
    spec: StageSpec,
    store: ArtifactStore,
    config: StageConfig,
    partition: str | None = None,
    resources: Mapping[str, Any] = NOTHING,
) -> Stage:
    """Returns what a source's function is called with by a plan: nothing is run, recorded or changed."""
    known = spec.fingerprint({}, config, partition)
    return Stage(spec, store, config, known, {}, partition=partition, resources=resources)


def call(stage: Stage, inputs: Taken, config: StageConfig) -> Any:
    """Call the stage function: its artifact, or a generator that returns one.

    Raises:
        NotYet: it takes resources, and they are not there.
    """
    if missing := sorted(stage.spec.resources.keys() - stage.resources.keys()):
        raise NotYet(f"looked at by a run, which has its resources ({', '.join(missing)})")
    takes = inspect.signature(stage.spec.function).parameters
    told = {"config": config} if "config" in takes else {}
    return stage.spec.function(stage, **inputs, **stage.resources, **told)
