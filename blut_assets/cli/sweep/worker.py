"""Takes the trials of a sweep, one after the other, and runs each in this process as an ordinary run."""

import contextlib
import math
import os
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.cli.run.detach import no_parent, speak_into
from blut_assets.cli.run.launching import EndedUnwritten, carry_out, end_on_sigterm, form_of
from blut_assets.cli.run.lookup import epochs_of
from blut_assets.cli.run.progress import Progress
from blut_assets.cli.run.report import run_summary
from blut_assets.definitions import defs
from blut_assets.history.failures import failure_of
from blut_assets.recipes import ArgsError, Recipe, RecipeArgs
from blut_assets.stages import reuse
from blut_assets.stages.spec import spec_of
from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.record import (
    FAILED,
    OVERRIDES_TAG,
    SUCCEEDED,
    SWEEP_TAG,
    TRIAL_TAG,
    SweepRecord,
    Trial,
)
from blut_resources.containment.supervisor.trampoline import PR_SET_PDEATHSIG, prctl
from blut_resources.dagster_private.console import console_goes_to
from blut_resources.files.durable import StoreError
from blut_resources.instance.instance import home_of, open_instance
from blut_resources.launchers.gathering import AtWork, gather
from blut_resources.runs.files import terminal_path
from blut_resources.runs.pruning import budget_tag
from blut_resources.text import one_line

LOOK_S = 0.2
TAG_MAX = 1000
"""Characters of a tag that tells the overrides."""
FACT_MAX = 200
"""Characters of a fact of a result that the record keeps."""
OUTCOMES = {"failure": "failed"}
"""Where a word of `failure_of` is not that of a trial."""


@dataclass(frozen=True)
class TrialWork:
    """Says what a worker does with a trial: the recipe, its args, and the tags of its run.

    ``fail_fast``: a failure is the end of the sweep. ``pausing`` is the asset whose training pauses where the
    trial has a budget; the metrics of its last epoch are among the facts of a trial then. ``elsewhere``: its
    payloads run on other machines, so that it takes nothing of this one once they are ordered.
    """

    recipe: Recipe
    args_of: Callable[[Trial], RecipeArgs]
    tags: Mapping[str, str]
    fail_fast: bool = False
    pausing: str = ""
    elsewhere: bool = False


def work(record: SweepRecord, what: TrialWork) -> None:
    """Take trials until there are none any more; ends by itself when whoever has started it does."""
    leader = os.getppid()
    _begin()
    others = gather(record.place, lambda: _at_work(record))

    def may_begin() -> bool:
        while what.elsewhere and not others.take_turn():
            if os.getppid() != leader or not _nap():
                return False
        return os.getppid() == leader

    if not may_begin():
        return  # before the history is opened, which takes a turn too
    with open_instance() as instance:
        while may_begin():
            run_id = str(uuid.uuid4())
            trial = record.take(run_id)
            if trial is not None:
                _run(instance, record, what, trial)
            others.end_turn()
            if trial is None and (record.stopped or record.closed or not _nap()):
                return  # else more may be added


def _nap() -> bool:
    """Wait a moment between two trials; says whether to go on, which an interrupt does not let it."""
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(LOOK_S)
        return True
    return False


def _at_work(record: SweepRecord) -> AtWork:
    """Says how many trials will be at work at once, and the runs of those that are."""
    known = record.trials().values()
    runs = {one.run_id for one in known if one.state == "running"}
    waiting = 0 if record.stopped else sum(one.state == "waiting" for one in known)
    return AtWork(min(int(record.last.get("jobs", 1)), len(runs) + waiting), runs)


def _begin() -> None:
    """Let this process, just forked, be signalled by nobody but its parent, and end its run with that."""
    no_parent()
    os.setpgid(0, 0)  # Ctrl-C on the terminal is for whoever leads
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_on_sigterm()
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _speak_into(Path(os.devnull))


def _speak_into(path: Path) -> None:
    if str(path) != os.devnull:
        path.parent.mkdir(parents=True, exist_ok=True)
    speak_into(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666))


def _run(instance: dg.DagsterInstance, record: SweepRecord, what: TrialWork, trial: Trial) -> None:
    begun = time.monotonic()
    _speak_into(terminal_path(home_of(instance), trial.run_id))
    outcome, why, facts, stops = "cancelled", "interrupted", dict[str, Any](), ""
    try:
        outcome, why, facts = _outcome(instance, record, what, trial)
    except EndedUnwritten as error:
        outcome, why = "failed", str(error)
        stops = why  # the next one would find no room either
    except (StoreError, ArgsError, OSError, ValueError) as error:
        outcome, why = "failed", one_line(error)
    except Exception as error:  # a fault of Blut's own is no interrupt, and ends no other trial
        outcome, why = "failed", one_line(f"{type(error).__name__}: {error}")
        traceback.print_exc()
    finally:
        if what.fail_fast and outcome in FAILED:
            stops = f"trial {trial.number} failed, and --fail-fast was given"
        about = {"seconds": round(time.monotonic() - begun, 3), "facts": facts, "run": trial.run_id}
        record.end(trial.number, outcome, why, stops=stops, **about)


def _outcome(
    instance: dg.DagsterInstance, record: SweepRecord, what: TrialWork, trial: Trial
) -> tuple[str, str, dict[str, Any]]:
    """Returns how a trial has ended, why, and the facts of what it made."""
    recipe, args = what.recipe, what.args_of(trial)
    configs = recipe.configs(args, trial.partition)
    tags = {
        **what.tags,
        SWEEP_TAG: record.id,
        TRIAL_TAG: str(trial.number),
        OVERRIDES_TAG: words_of(trial.overrides)[:TAG_MAX],
        **(budget_tag(what.pausing, trial.budget) if trial.budget is not None else {}),
    }
    job = defs.resolve_job_def(recipe.name)
    title = f"{recipe.name}, trial {trial.number} of sweep {record.short}"
    with Progress(title, trial.run_id, {}, instance) as progress, console_goes_to(progress):
        form = form_of(args, trial.partition)
        result = carry_out(instance, trial.run_id, job, form, configs, tags=tags, partition=trial.partition)
        progress.finish()
    if result is None:
        raise KeyboardInterrupt
    with contextlib.suppress(OSError):
        print("\n".join(run_summary(result, recipe)), flush=True)
    facts = {**last_epoch(instance, trial.run_id, what.pausing), **facts_of(result, recipe)}
    if result.success:
        return SUCCEEDED, "", facts
    died = failure_of(instance, trial.run_id)
    return OUTCOMES.get(died.kind, died.kind), one_line(died.why), facts


def last_epoch(instance: dg.DagsterInstance, run_id: str, asset: str) -> dict[str, Any]:
    """Returns the metrics of the last epoch of an asset, also of one that was computed before."""
    rows = epochs_of(instance, run_id).get(asset, []) if asset else []
    return facts_in(rows[-1]) if rows else {}


def facts_of(result: Any, recipe: Recipe) -> dict[str, Any]:
    """Returns the facts of a finished run by which the trials of a recipe are compared."""
    asset = compared(recipe)
    for event in result.get_asset_materialization_events():
        made = event.materialization
        if asset and made.asset_key == asset.key and reuse.digest_of(made):
            return facts_in(reuse.handle_of(made))
    return {}


def compared(recipe: Recipe) -> dg.AssetsDefinition | None:
    """Returns the asset by whose facts trials are compared: of the metric, or what the recipe ends in."""
    if recipe.metric:
        return recipe.metric.asset
    made = [one for one in recipe.assets if (spec := spec_of(one)) and issubclass(spec.output, recipe.output)]
    return made[-1] if made else None


def facts_in(handle: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those facts of an artifact that fit into a cell, ``nan`` and the like as text."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in handle.items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= FACT_MAX)
    }
