"""Finds the run that a person means, and what the event log says that it made."""

from typing import Any

import dagster as dg

from blut_assets.cli.run.alerting import reap_and_tell
from blut_assets.cli.run.partitions import INTERRUPTED, LATE
from blut_assets.history.failures import failure_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.terminal.output import wrong
from blut_resources.alive import NoSuchRun, find_run
from blut_resources.instance.instance import home_of, store_of
from blut_resources.runs.epochs import at_work, epochs
from blut_resources.runs.epochs import newest_epoch as newest_in
from blut_resources.runs.files import status_path
from blut_resources.store.results import epochs as stored_epochs


def status_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """Returns the status with which the command of a run ended, or would have; 1 of one that was deleted."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_success:
        return int(run is None)
    kind = "cancelled" if run.status is dg.DagsterRunStatus.CANCELED else failure_of(instance, run_id).kind
    return {"cancelled": INTERRUPTED, "deadline": LATE, "pruned": 0}.get(kind, 1)


def run_named(instance: dg.DagsterInstance, prefix: str) -> dg.DagsterRun:
    """Returns the run whose id begins so, after those that died were marked;
    else ends the command with status 2.
    """
    reap_and_tell(instance)
    try:
        return find_run(instance, prefix)
    except NoSuchRun as error:
        wrong(str(error))


def title_of(run: dg.DagsterRun) -> str:
    """Returns the recipe, or the job, or what was selected."""
    if run.job_name == "__ASSET_JOB" and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection)[:3])
    return run.tags.get(RECIPE_TAG) or run.job_name


def made_by(instance: dg.DagsterInstance, run_id: str) -> dict[str, reuse.Became]:
    """Returns the last materialization of each asset in a run, in the order in which they were made.

    After these come the assets with a freshness policy of which the run only said again what is the newest.
    """
    found: dict[str, reuse.Became] = {}
    for event in _events(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = event.step_materialization_data.materialization
        found[made.asset_key.to_user_string()] = made
    for event in _events(instance, run_id, dg.DagsterEventType.ASSET_OBSERVATION):
        seen = event.asset_observation_data.asset_observation
        if reuse.REUSED in seen.metadata:
            found.setdefault(seen.asset_key.to_user_string(), seen)
    return found


def epochs_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Returns the metrics of each epoch by asset, oldest first: from the run's stream, else Dagster's log.

    Of what was reused they are those of the run that computed it, or what the store has kept of them.
    """
    own = epochs(status_path(home_of(instance), run_id)) or _logged_epochs(instance, run_id)
    reused = {
        name: _epochs_before(instance, name, event)
        for name, event in made_by(instance, run_id).items()
        if name not in own and reuse.is_reused(event)
    }
    return {**own, **{name: rows for name, rows in reused.items() if rows}}


def _epochs_before(instance: dg.DagsterInstance, name: str, event: reuse.Became) -> list[dict[str, Any]]:
    origin, digest = reuse.word_of(event, reuse.ORIGIN), reuse.digest_of(event)
    if rows := epochs(status_path(home_of(instance), origin)).get(name):
        return rows
    return stored_epochs(store_of(instance).root, reuse.fingerprint_of(event) or "", digest)


def how_far(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, dict[str, Any]]:
    """Returns the asset at work and its newest epoch; of a run at no asset the one of the newest epoch.

    Empty where there was none.
    """
    run_id = run.run_id
    if not run.is_finished:
        asset, values = at_work(status_path(home_of(instance), run_id))
        if asset:
            return asset, values
    asset, values = newest_in(status_path(home_of(instance), run_id))
    if asset:
        return asset, values
    logged = _logged_epochs(instance, run_id)
    for asset, rows in reversed(logged.items()):
        return asset, {name: value for name, value in rows[-1].items() if name != "timestamp"}
    return "", {}


def _logged_epochs(instance: dg.DagsterInstance, run_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for event in _events(instance, run_id, dg.DagsterEventType.ASSET_OBSERVATION):
        seen = event.asset_observation_data.asset_observation
        values = {name: entry.value for name, entry in seen.metadata.items()}
        if "epoch" in values:
            found.setdefault(seen.asset_key.to_user_string(), []).append(values)
    return found


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[Any]:
    logs = instance.all_logs(run_id, of_type=kind)
    return [entry.dagster_event for entry in logs if entry.dagster_event]


def checks_of(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """Returns the asset checks that a run evaluated."""
    data = [
        event.event_specific_data
        for event in _events(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return [
        {"check": c.check_name, "passed": c.passed, "result": check_word(c), "why": c.description or ""}
        for c in data
    ]


def check_word(check: Any) -> str:
    """Returns ``passed``, ``warns`` or ``FAILED``."""
    warns = check.severity == dg.AssetCheckSeverity.WARN
    return "passed" if check.passed else "warns" if warns else "FAILED"
