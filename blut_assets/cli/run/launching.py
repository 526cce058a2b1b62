"""Runs a recipe or a stage in this process, with its progress on the terminal and the outcome at the end."""

import contextlib
import gc
import signal
import traceback
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import typer

from blut_assets.cli.run.ahead import refuse_unable
from blut_assets.cli.run.alerting import alerted
from blut_assets.cli.run.arguments import refuse_lacking
from blut_assets.cli.run.detach import away
from blut_assets.cli.run.partitions import LATE
from blut_assets.cli.run.progress import Progress
from blut_assets.cli.run.report import AT_DEADLINE, INTERRUPTED, Ran, next_commands, run_summary
from blut_assets.cli.shell.terminal import keep_on
from blut_assets.definitions import defs, discovered
from blut_assets.history.failures import STOPPED, failure_of
from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages.partitions import PARTITION, part
from blut_assets.stages.spec import StageConfig
from blut_assets.terminal.output import as_next, failed, wrong
from blut_resources.alive import reap_dead_runs
from blut_resources.containment import LimitsError
from blut_resources.containment.asked import contained
from blut_resources.dagster_private.console import console_goes_to
from blut_resources.dagster_private.names import REPOSITORY, REPOSITORY_LABEL_TAG
from blut_resources.dagster_private.sparing import spared
from blut_resources.database.troubles import is_away
from blut_resources.files.durable import StoreError
from blut_resources.files.full import is_full
from blut_resources.holding import launch_here, let_go
from blut_resources.instance.damage import explained
from blut_resources.instance.instance import home_of, open_instance
from blut_resources.instance.location import location_of
from blut_resources.launchers.base import LauncherError
from blut_resources.launchers.choose import profile_of
from blut_resources.payloads.given_up import end_given_up, free_left
from blut_resources.runs.files import run_dir, terminal_path
from blut_resources.runs.hang_up import end_on_hang_up, interrupt
from blut_resources.runs.unsaid import leave_word
from blut_resources.settings import settings


class EndedUnwritten(StoreError):
    """Says which place was full when a run was ended by that, and what makes room."""


def refuse_unplaced(launchers: Iterable[str | None]) -> None:
    """End the command with status 2 where payloads cannot be contained as asked, or a launcher is unknown."""
    try:
        contained(settings())
        for name in {*launchers}:
            profile_of(name)
    except (LimitsError, LauncherError) as error:
        wrong(str(error))


class OfPartition(NamedTuple):
    """Stands for what is run for one partition."""

    name: str
    assets: Sequence[dg.AssetsDefinition]


def run_recipe(
    recipe: Recipe,
    args: RecipeArgs,
    tags: Mapping[str, str] | None = None,
    *,
    accept_refusal: bool = False,
    partition: str | None = None,
) -> int:
    """Run it; returns the status that its process is to end with.

    That is 0, 1 if it failed, 124 if its deadline came, 130 if it was interrupted.

    Args:
        accept_refusal: whether 0 is also for a run in which all was computed and a gate said no.
        partition: which, of a recipe with partitions.
    """
    book = next(book for book in discovered.cookbooks if recipe in book.recipes)
    refuse_lacking(recipe.name, book.extras)
    job, configs = defs.resolve_job_def(recipe.name), recipe.configs(args, partition)
    ran = form_of(args, partition)
    how = {"accept_refusal": accept_refusal, "partition": partition}
    return execute(job, ran, recipe, configs, tags, **how)


def form_of(args: RecipeArgs, partition: str | None) -> dict[str, Any]:
    """Returns args as the form of a recipe's job takes them, with the partition if there is one."""
    return args.model_dump(mode="json") | ({PARTITION: str(partition)} if partition is not None else {})


@alerted()
def execute(
    job: dg.JobDefinition,
    run_config: Mapping[str, Any],
    ran: Ran,
    configs: Mapping[dg.AssetKey, StageConfig],
    tags: Mapping[str, str] | None = None,
    selection: Sequence[dg.AssetKey] | None = None,
    accept_refusal: bool = False,
    partition: str | None = None,
) -> int:
    """Run any job over stage assets, of which ``configs`` say how many epochs they are to have."""
    if partition is not None:
        ran = OfPartition(part(ran.name, partition), ran.assets)
    end_on_sigterm()
    refuse_unplaced(config.launcher for config in configs.values())
    epochs = {
        key.to_user_string(): epochs
        for key, config in configs.items()
        if (epochs := config.planned_epochs()) is not None
    }
    run_id = str(uuid.uuid4())
    keep_on(f"`blut results {run_id[:8]}` shows what came of it")
    with (
        open_instance() as instance,
        away(
            instance,
            run_id,
            terminal_path(home_of(instance), run_id),
            lambda: refuse_unable(instance, ran.assets, configs, partition),
        ),
        Progress(ran.name, run_id, epochs, instance) as progress,
        console_goes_to(progress),
    ):
        how = {"tags": tags, "selection": selection, "partition": partition}
        try:
            result = carry_out(instance, run_id, job, run_config, configs, **how)
        except EndedUnwritten as error:
            failed(str(error))
        if result is None:
            print(INTERRUPTED)
            return 130
        progress.finish()
        died = "" if result.success else failure_of(instance, run_id).kind
        interrupted = died == "cancelled"
        late = died == "deadline"
        lines = run_summary(result, ran, STOPPED if interrupted else AT_DEADLINE if late else "")
        lines.insert(-1, f"log, metrics and manifest: {run_dir(home_of(instance), run_id)}")
    print("\n".join(lines), flush=True)
    if not interrupted and not late and died != "pruned":
        typer.echo(as_next(next_commands(result, ran)), err=True)
    fine = result.success or (accept_refusal and died == "refused")
    return 130 if interrupted else LATE if late else 0 if fine else 1


def carry_out(
    instance: dg.DagsterInstance,
    run_id: str,
    job: dg.JobDefinition,
    run_config: Mapping[str, Any],
    configs: Mapping[dg.AssetKey, StageConfig],
    *,
    tags: Mapping[str, str] | None,
    selection: Sequence[dg.AssetKey] | None = None,
    partition: str | None = None,
) -> dg.ExecuteInProcessResult | None:
    """Run a job in this process; returns None of one that was interrupted before its first step.

    Raises:
        EndedUnwritten: its events could not be written any more; why it ended was.
    """
    try:
        reap_dead_runs(instance)
        location = location_of({job.name, *(key.path[0] for key in configs)}, instance)
        launch_here(instance, run_id)
        with spared(instance):
            return job.execute_in_process(
                run_config=dict(run_config),
                instance=instance,
                raise_on_error=False,
                run_id=run_id,
                tags={REPOSITORY_LABEL_TAG: f"{REPOSITORY}@{location}", **(tags or {})},
                asset_selection=selection,
                partition_key=partition,
            )
    except Exception as error:
        away = is_away(error)
        if not is_full(error) and not away:
            raise
        told = str(error) if isinstance(error, StoreError) else str(explained(home_of(instance), error))
        if away:
            leave_word(home_of(instance), run_id, told)
        _end(instance, run_id, told, error)
        raise EndedUnwritten(told) from None
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
        # it came before Dagster takes it as an end of the run
        free_left(error)
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_canceled(run, f"{STOPPED} before its first step")
        return None
    finally:
        end_given_up()
        _let_go(instance, run_id)


def _end(instance: dg.DagsterInstance, run_id: str, why: str, error: Exception) -> None:
    """End a run that Dagster could not write the end of, with the room that was kept back for it."""
    traceback.clear_frames(error.__traceback__)  # they hold the payload, and where its output goes
    gc.collect()
    with contextlib.suppress(Exception):
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, why)


def _let_go(instance: dg.DagsterInstance, run_id: str) -> None:
    """Stop working for a run that has its end; one whose end nobody could write is found dead later."""
    with contextlib.suppress(Exception):
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            let_go(run_id)


def end_on_sigterm() -> None:
    """End a run at SIGTERM and SIGHUP as at Ctrl-C: with time for a checkpoint."""
    signal.signal(signal.SIGTERM, interrupt)
    end_on_hang_up()
