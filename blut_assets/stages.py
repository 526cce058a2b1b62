"""stage_asset(): the one way to declare an artifact. Typed inputs and output become a Dagster asset.

A stage function is called as ``fn(stage, <inputs by name>, config)`` and returns an artifact without a
digest, having written the bytes to ``stage.out``. One that reports while it works is a generator: it yields
what `Stage.run` yields and returns the artifact at its end. Reuse, locking and recording happen here.
"""

import contextlib
import inspect
import os
import time
import typing
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Unpack

import dagster as dg
from pydantic import Field

from blut_assets import reuse
from blut_assets.artifacts import Artifact
from blut_assets.asset_options import AssetOptions, checked
from blut_assets.curves import Curves
from blut_assets.documentation import columns, description
from blut_assets.gates import PromotionRefused
from blut_assets.limits import NO_FOOTPRINT, NO_LIMITS, Footprint, LimitsConfig
from blut_assets.recording import Recording
from blut_assets.retrying import note_failure
from blut_assets.selection import refuse_empty_selection
from blut_assets.showing import bytes_shown, inputs_shown, manifest_shown
from blut_assets.stage import Stage
from blut_assets.versions import CodeEdited, CodeVersion, code_version, fingerprint
from blut_resources.containment import ContainmentRefused
from blut_resources.distributions import Environment, environment
from blut_resources.foreign_text import lines
from blut_resources.instance import EphemeralInstance, home_of, store_of
from blut_resources.isolated import VARIABLES
from blut_resources.leases import NeverFits
from blut_resources.machine import SharedMemoryTooSmall
from blut_resources.registry import RegistryError
from blut_resources.runs import hold_run
from blut_resources.store import ArtifactStore, StoreError
from blut_resources.store_files import FULL, explanation
from blut_resources.tracking import TrackerUnavailable
from blut_resources.trainer import PayloadFailed

T = TypeVar("T", bound=Artifact)
Steps = Generator[dg.AssetObservation, None, T]
"""The return annotation of a stage function that is a generator."""

EXPLAINED = (
    *(CodeEdited, ContainmentRefused, EphemeralInstance, FileNotFoundError, NeverFits),
    *(PromotionRefused, RegistryError, SharedMemoryTooSmall, StoreError, TrackerUnavailable),
)
"""Errors whose message is written for a person; anything else keeps its stack trace."""
HOPELESS = (
    CodeEdited,
    ContainmentRefused,
    EphemeralInstance,
    NeverFits,
    PromotionRefused,
    TrackerUnavailable,
)
"""Those that another attempt meets again."""


class StageConfig(dg.Config):
    """What every stage asset accepts.

    ``reuse``: ``auto`` takes an earlier result with the same fingerprint, ``never`` computes again,
    ``require`` fails where there is none. Fields about how to compute, not what, are listed in ``HOW``.
    What an asset took counts for later runs with equal fields, but for those in ``COST_NEUTRAL``, which
    change neither time nor memory; those in ``DURATION`` change the time only.
    """

    HOW: ClassVar[frozenset[str]] = frozenset()
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset()
    DURATION: ClassVar[frozenset[str]] = frozenset()

    reuse: Literal["auto", "never", "require"] = "auto"
    limits: LimitsConfig = NO_LIMITS
    logger: Literal["auto", "none", "wandb"] = Field(
        default="auto", description="where metrics go besides; auto: what $BLUT_LOGGER says, else none"
    )
    on_divergence: Literal["stop", "report"] = Field(
        default="stop",
        description="what a loss that is no number, or above divergence_factor, does to a training",
    )
    divergence_factor: float | None = Field(
        default=None, gt=1, description="a loss above so many times the lowest one before has diverged"
    )

    def fingerprinted(self) -> dict[str, Any]:
        """The values that can change the result."""
        return self.model_dump(mode="json", exclude={*COMMON, *self.HOW})

    def for_payload(self) -> dict[str, Any]:
        """The values that a payload may read: those of the result, and ``HOW`` to compute it."""
        return self.model_dump(mode="json", exclude={*COMMON})

    def cost_drivers(self) -> dict[str, Any]:
        """The values that can change what a computation takes."""
        return self.model_dump(mode="json", exclude={*COMMON, *self.COST_NEUTRAL})

    def planned_epochs(self) -> int | None:
        """How many epochs a training is to have; None where nobody can tell."""
        return getattr(self, "epochs", None)

    def watch(self) -> dict[str, Any]:
        """What the session of a payload watches for."""
        return {"on_divergence": self.on_divergence, "divergence_factor": self.divergence_factor}


COMMON = tuple(StageConfig.model_fields)
"""Settings that every asset has, and that change no result."""


LookUp = Callable[[ArtifactStore, Mapping[str, str], Any], Mapping[str, str]]
"""From the store, the digests of the inputs by parameter name, and the config, to digests by name."""


@dataclass(frozen=True)
class StageSpec:
    """What a stage asset was declared with; planning and the wiring check read it."""

    key: dg.AssetKey
    function: Callable[..., Any]
    inputs: Mapping[str, dg.AssetKey]
    input_types: Mapping[str, type[Artifact]]
    output: type[Artifact]
    config: type[StageConfig]
    code: CodeVersion
    memoised: bool
    source: bool
    headline: tuple[str, ...]
    footprint: Footprint
    show: Callable[[Path], Mapping[str, Any]] | None = None
    on_result: Callable[[Stage, Any], None] | None = None
    distributions: tuple[str, ...] = ()
    looks_up: LookUp | None = None

    def looked_up(
        self, store: ArtifactStore, inputs: Mapping[str, str], config: StageConfig
    ) -> dict[str, str]:
        """The digests, by name, of what it depends on that no asset makes; a part of its fingerprint."""
        return dict(self.looks_up(store, inputs, config)) if self.looks_up else {}

    def environment(self) -> Environment | None:
        """What its payloads are computed by, where that is a part of the fingerprint."""
        return environment(self.distributions, VARIABLES) if self.distributions else None

    def fingerprint(
        self, inputs: Mapping[str, str], config: StageConfig, partition: str | None = None
    ) -> str:
        """The fingerprint of this asset with these input digests, by parameter name."""
        values = config.fingerprinted()
        found = self.environment()
        digest = found.digest if found else None
        return fingerprint(self.key.to_user_string(), self.code.value, inputs, values, partition, digest)

    def call(self, stage: Stage, inputs: Mapping[str, Artifact], config: StageConfig) -> Any:
        """Call the stage function."""
        takes = inspect.signature(self.function).parameters
        return self.function(stage, **inputs, **({"config": config} if "config" in takes else {}))

    def describe(self, inputs: Mapping[str, str], config: StageConfig) -> dict[str, Any]:
        """What the fingerprint was made of, so that a later difference can be named."""
        found = self.environment()
        computed_by = {"environment": found.parts()} if found else {}
        made_of = {"code": dict(self.code.parts), "inputs": dict(inputs)}
        return {**made_of, "config": config.fingerprinted(), **computed_by}


def spec_of(asset: dg.AssetsDefinition) -> StageSpec | None:
    """The declaration behind an asset, or None if it is no stage asset."""
    function = getattr(asset.op.compute_fn, "decorated_fn", None) if asset.is_executable else None
    return getattr(function, "__blut_stage__", None)


def stage_asset(
    *,
    cookbook: str,
    group: str,
    name: str | None = None,
    ins: Mapping[str, str] | None = None,
    payloads: Sequence[str] = (),
    data: Sequence[str] = (),
    schema: int = 1,
    source: bool = False,
    side_effect: bool = False,
    headline: Sequence[str] = (),
    kinds: set[str] | None = None,
    owners: Sequence[str] | None = None,
    partitions_def: dg.PartitionsDefinition | None = None,
    footprint: Footprint = NO_FOOTPRINT,
    show: Callable[[Path], Mapping[str, Any]] | None = None,
    on_result: Callable[[Stage, Any], None] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    distributions: Sequence[str] = (),
    looks_up: LookUp | None = None,
    **options: Unpack[AssetOptions],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the artifact that a function makes.

    Args:
        cookbook: key prefix.
        group: the stage word, such as ``corpus`` or ``training``.
        name: of the asset; the function's name if not given.
        ins: parameter name -> asset name (or ``cookbook/name``) where the two differ.
        payloads: the payload modules that the function runs; their source is part of the code version.
        data: files that the function or its payloads read and that lie beside their source, as paths or
            patterns relative to the directory of the function's module; they are part of the code version
            too. A path that the source spells out, such as ``Path(__file__).parent / "table.json"``, is
            found without this.
        schema: raise it to declare that older results are not to be reused.
        source: looks at the outside world, so it runs every time.
        side_effect: acts on the outside world, so it is never reused.
        headline: the facts that a one-line summary shows.
        owners: ``team:<cookbook>`` if not given.
        footprint: memory and GPUs that its payload is expected to need, and default limits.
        show: what the UI is to show of the bytes, as metadata; it is no part of the code version.
        on_result: what is to be done with every result, computed or reused, before checks look at it, such as
            registering it; doing it twice must do no harm. It is no part of the code version.
        freshness: how old the newest materialization may get before the UI says so.
        distributions: what its payloads import, by the names that pip knows; their versions become a part of
            the fingerprint, and a result is not reused where others are installed.
        looks_up: what it depends on that no asset makes, such as what an alias stands for: asked when it is
            planned and when it begins, part of its fingerprint as inputs are, and given as `Stage.looked_up`.
        options: of ``dg.asset``, as `AssetOptions` lists them.

    Raises:
        ModuleNotFoundError: if a payload module does not exist.
        TypeError: if an annotation is missing or is not an artifact or a `StageConfig`, or an option would
            break what a stage asset promises.
        ValueError: if nothing is found for one of ``data``.
    """

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        inputs, config, output = _signature(function)
        keys = {name: _key(cookbook, (ins or {}).get(name, name)) for name in inputs}
        spec = StageSpec(
            key=_key(cookbook, name or function.__name__),
            function=function,
            inputs=keys,
            input_types=inputs,
            output=output,
            config=config,
            code=code_version(function, payloads, schema, data),
            memoised=not (source or side_effect),
            source=source,
            headline=tuple(headline),
            footprint=footprint,
            show=show,
            distributions=tuple(distributions),
            on_result=on_result,
            looks_up=looks_up,
        )
        facts = {"artifact_kind": output.kind, "dagster/column_schema": columns(output)}
        return dg.asset(
            **checked(spec.key.to_user_string(), options, spec.memoised),
            key=spec.key,
            ins={name: dg.AssetIn(key=key) for name, key in keys.items()},
            group_name=group,
            code_version=spec.code.value,
            io_manager_key="artifact_handles",
            kinds=kinds,
            owners=owners or [f"team:{cookbook}"],
            partitions_def=partitions_def,
            freshness_policy=freshness,
            description=description(function, output),
            metadata={**options.get("metadata", {}), **facts},
        )(_compute(spec))

    return declare


def _key(cookbook: str, name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/") if "/" in name else [cookbook, name])


def _signature(
    function: Callable[..., Any],
) -> tuple[dict[str, type[Artifact]], type[StageConfig], type[Artifact]]:
    where = f"stage function {function.__qualname__}"
    hints = typing.get_type_hints(function)
    output = hints.pop("return", None)
    if typing.get_origin(output) is Generator or inspect.isgeneratorfunction(function):
        output = (typing.get_args(output) or (None,))[-1]
    if not (inspect.isclass(output) and issubclass(output, Artifact)):
        raise TypeError(f"{where}: the return annotation {output!r} is not an Artifact")
    config, inputs = StageConfig, {}
    for name in list(inspect.signature(function).parameters)[1:]:
        hint = hints.get(name)
        if inspect.isclass(hint) and issubclass(hint, StageConfig):
            config = hint
        elif inspect.isclass(hint) and issubclass(hint, Artifact):
            inputs[name] = hint
        else:
            raise TypeError(f"{where}: parameter {name!r}: {hint!r} is neither an Artifact nor a StageConfig")
    return inputs, config, output


def _compute(spec: StageSpec) -> Callable[..., Any]:
    def compute(**kwargs: Any) -> Iterator[Any]:
        config = kwargs.pop("config")
        context = dg.AssetExecutionContext.get()
        try:
            yield from _explained(spec, context, kwargs, config)
        except Exception as error:
            hopeless = isinstance(error, dg.Failure) and not error.allow_retries
            note_failure(context.instance, context.run.run_id, hopeless=hopeless)
            raise

    hints: dict[str, Any] = {**spec.input_types, "config": spec.config}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    compute.__name__ = compute.__qualname__ = spec.key.path[-1]
    compute.__module__ = spec.function.__module__
    compute.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind, annotation=hint) for name, hint in hints.items()]
    )
    compute.__annotations__ = {**hints, "return": Iterator[dg.MaterializeResult[spec.output]]}
    compute.__blut_stage__ = spec  # type: ignore[attr-defined]
    return compute


def _explained(
    spec: StageSpec, context: dg.AssetExecutionContext, inputs: Mapping[str, Artifact], config: StageConfig
) -> Iterator[Any]:
    """Materialize; what goes wrong is said for a person, and whether another attempt is worth it."""
    try:
        yield from _materialize(spec, context, inputs, config)
    except PayloadFailed as error:
        raise dg.Failure(lines(error), error.as_metadata(), allow_retries=error.retry) from error
    except EXPLAINED as error:
        raise dg.Failure(lines(error), allow_retries=not isinstance(error, HOPELESS)) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise dg.Failure(explanation(error, store_of(context.instance).root)) from error


def _materialize(
    spec: StageSpec, context: dg.AssetExecutionContext, inputs: Mapping[str, Artifact], config: StageConfig
) -> Iterator[Any]:
    store = store_of(context.instance)
    hold_run(context.instance, context.run.run_id)
    refuse_empty_selection(context)
    _refuse_stale_code(spec)
    partition = context.partition_key if context.has_partition_key else None
    digests = {name: artifact.digest for name, artifact in inputs.items()}
    taken = {spec.inputs[name].to_user_string(): digest for name, digest in digests.items()}
    looked_up = spec.looked_up(store, digests, config)
    digests |= looked_up
    print_ = spec.fingerprint(digests, config, partition)
    facts = {"fingerprint": print_, "inputs": taken, "source": spec.source}
    record = Recording(home_of(context.instance), context, spec.key.to_user_string(), config, **facts)
    stage = Stage(context, store, spec, print_, spec.describe(digests, config), config, record)
    stage.looked_up = looked_up
    if not spec.memoised:
        with _alone(stage):
            yield from _execute(stage, inputs, config)
        return
    if config.reuse != "never" and (hit := stage.look_up()):
        yield _reused(stage, hit)
        return
    if config.reuse == "require":
        raise dg.Failure(
            f"{spec.key.to_user_string()}: reuse is `require`, and no stored result has this fingerprint"
            f" ({print_[:12]}); run with reuse `auto` to compute it",
            allow_retries=False,
        )
    # held until the event is stored (a generator is resumed after that): the same result is computed once
    with _alone(stage):
        if config.reuse != "never" and (hit := stage.look_up()):
            yield _reused(stage, hit)
        else:
            yield from _execute(stage, inputs, config)


def _alone(stage: Stage) -> contextlib.AbstractContextManager[None]:
    """Two with one fingerprint share a work directory. Sources may be looked at with a read-only store."""
    if stage.spec.source and not os.access(stage.store.root, os.W_OK):
        return contextlib.nullcontext()
    return stage.store.lock(f"fingerprint-{stage.fingerprint}")


def _execute(stage: Stage, inputs: Mapping[str, Artifact], config: StageConfig) -> Iterator[Any]:
    started = time.monotonic()
    with contextlib.ExitStack() as held:
        # a look at sources, and a promotion of what was judged before, compute nothing
        held.enter_context(stage.record.computing(reported=stage.spec.memoised))
        held.callback(stage.discard_out)
        for artifact in inputs.values():
            held.enter_context(stage.store.in_use(artifact.digest))
        result: Any = stage.spec.call(stage, inputs, config)
        curves = Curves(stage)
        artifact = (yield from curves.followed(result)) if inspect.isgenerator(result) else result
        if not isinstance(artifact, stage.spec.output):
            raise TypeError(f"{stage.name} returned {type(artifact)}, not {stage.spec.output.__name__}")
        stored = artifact if artifact.digest else artifact.stored_as(stage.put())
        stage.show(**curves.shown(), **inputs_shown(stage.spec, inputs), **manifest_shown(stage))
        stage.show(**bytes_shown(stage, stored))
        if stage.spec.on_result:
            stage.spec.on_result(stage, stored)
        seconds = time.monotonic() - started
        stage.record.finished(stored.digest, seconds, stage.shown.get(reuse.PEAK))
    yield stage.result(stored, seconds)
    stage.discard_work()


def _reused(stage: Stage, hit: reuse.Hit) -> dg.MaterializeResult[Any]:
    artifact = reuse.artifact_of(hit.event, stage.spec.output)
    stage.record.reused(artifact.digest, hit.origin)
    if stage.spec.on_result:
        stage.spec.on_result(stage, artifact)
    stage.context.log.info(f"{stage.name}: reused from run {hit.origin}, nothing computed")
    return stage.reused(artifact, hit)


def _refuse_stale_code(spec: StageSpec) -> None:
    if edited := spec.code.edited_since_load():
        raise CodeEdited(
            f"{', '.join(edited)} changed after the definitions were loaded, so the code version of"
            f" {spec.key.to_user_string()} is out of date: reload the code location and run again"
        )
