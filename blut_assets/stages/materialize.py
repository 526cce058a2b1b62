"""Runs every stage asset: reuses or computes, alone, and says what went wrong to a person."""

import contextlib
import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.deployment import deployed
from blut_assets.pages.code_references import stands_at
from blut_assets.pages.curves import Curves
from blut_assets.pages.metadata import inputs_shown, manifest_shown
from blut_assets.retrying import note_failure
from blut_assets.stages import reuse
from blut_assets.stages.alone import free_work, held_alone
from blut_assets.stages.computation import Computation
from blut_assets.stages.partitions import Taken, partition_of, settled, whole
from blut_assets.stages.retries import AnotherAttempt
from blut_assets.stages.selection import refuse_empty_selection
from blut_assets.stages.spec import StageConfig, StageSpec
from blut_assets.stages.stage import call
from blut_assets.versions.fingerprint import CodeEdited
from blut_resources.alive import hold_run
from blut_resources.containment import ContainmentRefused, LimitsError
from blut_resources.containment.asked import contained
from blut_resources.files.durable import explanation
from blut_resources.files.full import CAUSE, full_code, is_full
from blut_resources.instance.instance import EphemeralInstance, home_of, store_of
from blut_resources.launchers.base import LauncherError, LaunchRefused
from blut_resources.leases.lease import LeaseError, NeverFits
from blut_resources.machine.memory import SharedMemoryTooSmall
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payloads.given_up import followed
from blut_resources.payloads.orphans import InUse
from blut_resources.payloads.payload import PayloadFailed
from blut_resources.registry.models import RegistryError
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.remote.attached import pushes
from blut_resources.runs.deadline import DeadlinePassed
from blut_resources.runs.files import status_path
from blut_resources.runs.status import Status
from blut_resources.runs.tracking import TrackerUnavailable
from blut_resources.settings import settings
from blut_resources.store.artifacts import StoreError
from blut_resources.text import lines

EXPLAINED = (
    CodeEdited,
    ContainmentRefused,
    EphemeralInstance,
    FileNotFoundError,
    InUse,
    LauncherError,
    LaunchRefused,
    LeaseError,
    LimitsError,
    NeverFits,
    PromotionRefused,
    Refused,
    RegistryError,
    SharedMemoryTooSmall,
    StoreError,
    TrackerUnavailable,
)
"""Errors whose message is written for a person; anything else keeps its stack trace."""
HOPELESS = (
    CodeEdited,
    ContainmentRefused,
    EphemeralInstance,
    LauncherError,
    LaunchRefused,
    LimitsError,
    NeverFits,
    PromotionRefused,
    Refused,
    TrackerUnavailable,
)
"""Those that another attempt meets again."""


def computes(spec: StageSpec) -> Callable[..., Any]:
    """Returns the function that Dagster calls,
    with the signature of the stage function's inputs, resources and config.
    """

    def compute(**kwargs: Any) -> Iterator[Any]:
        yield from followed(_run(spec, kwargs))

    taken = {
        name: dict[str, kind] if name in spec.several else kind for name, kind in spec.input_types.items()
    }
    hints: dict[str, Any] = {**taken, **spec.resources, "config": spec.config}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    compute.__name__ = compute.__qualname__ = spec.key.path[-1]
    compute.__module__ = spec.function.__module__
    stands_at(compute, spec.function)
    compute.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind, annotation=hint) for name, hint in hints.items()]
    )
    compute.__annotations__ = {**hints, "return": Iterator[dg.MaterializeResult[spec.output]]}
    compute.__blut_stage__ = spec  # type: ignore[attr-defined]
    return compute


def _run(spec: StageSpec, taken: dict[str, Any]) -> Generator[Any, None, None]:
    """Materialize, and note a failure for those who decide whether the run is tried again."""
    context, config = dg.AssetExecutionContext.get(), taken.pop("config")
    resources = {name: taken.pop(name) for name in spec.resources}
    try:
        with deployed(context):
            yield from _explain(spec, context, taken, config, resources)
    except Exception as error:
        hopeless = isinstance(error, dg.Failure) and not error.allow_retries
        note_failure(context.instance, context.run.run_id, hopeless=hopeless)
        raise


def _explain(
    spec: StageSpec,
    context: dg.AssetExecutionContext,
    inputs: Taken,
    config: StageConfig,
    resources: Mapping[str, Any],
) -> Iterator[Any]:
    """Materialize; what goes wrong is said for a person, and whether another attempt is worth it."""
    try:
        with hold_run(context):
            again = None
            try:
                yield from _materialize(spec, context, inputs, config, resources)
            except AnotherAttempt as request:
                again = request
            if again:
                again.pause()  # nothing is held any more but the run
                raise again
    except PayloadFailed as error:
        raise dg.Failure(_said(error), error.as_metadata(), allow_retries=error.retry) from error
    except DeadlinePassed as error:
        raise dg.Failure(lines(error), {"outcome": error.cause}, allow_retries=False) from error
    except EXPLAINED as error:
        about = {"outcome": CAUSE} if is_full(error) else {}
        if about:
            _note_full(spec, context, error)
        raise dg.Failure(_said(error), about, allow_retries=not isinstance(error, HOPELESS)) from error
    except OSError as error:
        if not full_code(error):
            raise
        words = explanation(error, store_of(context.instance).root)
        raise dg.Failure(words, {"outcome": CAUSE}) from error


def _note_full(spec: StageSpec, context: dg.AssetExecutionContext, error: Exception) -> None:
    """Tell the run what has ended it, also where that was before its asset began to be recorded."""
    stream = status_path(home_of(context.instance), context.run.run_id)
    with contextlib.closing(Status(stream)) as events:
        facts = {"cause": CAUSE, "error": str(error)[:4000]}
        events.write("asset_failed", spec.key.to_user_string(), durable=True, **facts)


def _said(error: Exception) -> str:
    """Returns what an error says, and how often it was tried again."""
    return lines("\n".join([str(error), *getattr(error, "__notes__", ())]))


def _materialize(
    spec: StageSpec,
    context: dg.AssetExecutionContext,
    inputs: Taken,
    config: StageConfig,
    resources: Mapping[str, Any],
) -> Iterator[Any]:
    refuse_empty_selection(context)
    _refuse_stale_code(spec)
    pushes(config.push)
    contained(settings())  # what it cannot mean is refused of a reused result too
    partition = partition_of(context)
    config = settled(spec, config, partition, run=_partition_of_run(context))
    one = Computation(context, spec, inputs, config, partition, resources)
    if not spec.memoised:
        with held_alone(one):
            yield from _execute(one, inputs, config)
        return
    if config.reuse != "never" and (hit := one.look_up()):
        one.push((yield from _reuse(one, hit)))
        return
    if config.reuse == "require":
        raise dg.Failure(
            f"{one.name}: reuse is `require`, and no stored result has this fingerprint"
            f" ({one.fingerprint[:12]}); run with reuse `auto` to compute it",
            allow_retries=False,
        )
    # The lock of the fingerprint, and why the result is yielded inside of it:
    #
    # A `return` would leave the block before Dagster has stored the event. A second run that waits for the
    # lock would then look up, find no event, and train the same thing again. Dagster stores the event of a
    # yielded result before it asks the generator for more, so whoever gets the lock next finds it. For the
    # same reason nothing may collect the results in a list first, and a wrapper has to `yield from`.
    #
    # Looked up twice: outside the lock, so that a hit never waits behind another run's training of the same
    # thing; and inside, because whoever had the lock may just have made it. Only the second look decides that
    # nothing is there. The lock is of the fingerprint and not of the asset: other args may train beside it.
    # It is an flock in the store and not in the history, since two instances can share one store, and because
    # a killed run must not leave it taken. The lease of memory is taken further in, by the payload: taken
    # outside, a run that only waits for the other's result would keep a GPU from it.
    with held_alone(one):
        if config.reuse != "never" and (hit := one.look_up()):
            artifact = yield from _reuse(one, hit)
        else:
            artifact = yield from _execute(one, inputs, config)
    one.push(artifact)


def _execute(one: Computation, inputs: Taken, config: StageConfig) -> Generator[Any, Any, Artifact]:
    one.refuse_late()
    free_work(one)
    started = time.monotonic()
    spec = one.spec
    with contextlib.ExitStack() as held:
        held.enter_context(one.record.computing())
        held.enter_context(one.retries.heeded())
        held.callback(one.release)
        held.callback(one.discard_out)
        for artifact in one.inputs.values():
            held.enter_context(one.store.in_use(artifact.digest))
        one.refuse_other_ranks()
        result: Any = call(one.stage, inputs, config)
        curves = Curves()
        artifact = (yield from curves.followed(result)) if inspect.isgenerator(result) else result
        if not isinstance(artifact, spec.output):
            raise TypeError(f"{one.name} returned {type(artifact)}, not {spec.output.__name__}")
        one.refuse_lost()
        stored = artifact if artifact.digest else artifact.stored_as(one.put())
        if spec.source:
            one.say_drifted(stored)
        keys = {name: spec.inputs[whole(name)] for name in one.inputs}
        one.findings.show(**curves.shown(one.record.curve, lambda: one.kept_epoch(stored)))
        one.findings.show(**inputs_shown(keys, one.inputs))
        one.findings.show(**manifest_shown(home_of(one.context.instance), one.context.run.run_id))
        one.show_bytes(stored)
        if spec.on_result:
            spec.on_result(one.stage, stored)
        seconds = max(0.0, time.monotonic() - started - one.findings.queued)
        one.record.finished(stored.digest, seconds, one.findings.shown.get(reuse.PEAK))
    # Work goes after the event is stored: killed between the two, the next attempt resumes or finds a result;
    # the other way round, a run killed before its event was stored would have lost the checkpoints too.
    one.refuse_lost()
    yield from one.told(stored, seconds)
    one.discard_work()
    one.record.settle()
    return stored


def _reuse(one: Computation, hit: reuse.Hit) -> Generator[Any, Any, Artifact]:
    artifact = reuse.artifact_of(hit.event, one.spec.output)
    one.record.reused(artifact.digest, hit.origin, hit.elsewhere)
    if one.spec.on_result:
        one.spec.on_result(one.stage, artifact)
    whose = f" of {hit.elsewhere}" if hit.elsewhere else ""
    one.context.log.info(f"{one.name}: reused from run {hit.origin[:8]}{whose}, nothing computed")
    yield from one.reused(artifact, hit)
    return artifact


def _partition_of_run(context: dg.AssetExecutionContext) -> str | None:
    return context.partition_key if context.has_partition_key else None


def _refuse_stale_code(spec: StageSpec) -> None:
    if edited := spec.code.edited_since_load():
        raise CodeEdited(
            f"{', '.join(edited)} changed after the definitions were loaded, so the code version of"
            f" {spec.key.to_user_string()} is out of date: reload the code location and run again"
        )
