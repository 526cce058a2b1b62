"""Removes runs by Dagster's own means, and their files, so that a removal can be killed at any time."""

import contextlib
import time
from collections.abc import Iterable, Iterator

import dagster as dg

from blut_assets.stages import reuse
from blut_resources.instance.damage import is_of_database
from blut_resources.instance.instance import home_of, store_of
from blut_resources.instance.room import give_back
from blut_resources.runs import removed
from blut_resources.runs.removal import remove_files
from blut_resources.store import results
from blut_resources.store.artifacts import StoreError, file_lock
from blut_resources.working import workers
from sensors.housekeeping.choice import Removable

LOCK = ".housekeeping.lock"


def remove_runs(
    instance: dg.DagsterInstance, chosen: Iterable[Removable], until: float | None = None
) -> Iterator[Removable]:
    """Removes the runs that were chosen, after those of a removal that was killed; yields each when gone.

    What a run computed stays in the store, with a note that lets it be reused. A run whose results cannot be
    noted stays, and so does one that somebody works for by now.

    Args:
        until: the time of `time.monotonic` after which no other one is begun.
    """
    home = home_of(instance)
    with file_lock(home / LOCK):
        for run_id in removed.unfinished(home):
            _remove(instance, run_id)
        for one in chosen:
            if until is not None and time.monotonic() > until:
                return
            run = instance.get_run_by_id(one.run_id)
            if run is None or not run.is_finished or workers(instance, one.run_id):
                continue
            if not _is_noted(instance, one.run_id):
                continue
            removed.note(home, one.run_id, removed.BEGUN, job=one.job, ended=one.ended)
            _remove(instance, one.run_id)
            yield one


def shrink(instance: dg.DagsterInstance) -> int:
    """Give the disk back what the shared databases do not need any more; returns the bytes."""
    home = home_of(instance)
    paths = [home / "history" / "runs.db", home / "history" / "runs" / "index.db"]
    return sum(give_back(path) for path in [*paths, home / "schedules" / "schedules.db"])


def _remove(instance: dg.DagsterInstance, run_id: str) -> None:
    home = home_of(instance)
    with contextlib.suppress(NotImplementedError):  # logs that lie elsewhere, in a host's own keeping
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
    remove_files(home, run_id)  # a host's storage knows nothing of them
    removed.note(home, run_id, removed.DONE)


def _is_noted(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Says whether what the run made can be reused without it;
    older versions left no note beside the bytes.
    """
    store = store_of(instance)
    try:
        events = instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
    except Exception as error:
        if not is_of_database(error):
            raise
        return False  # nobody can tell what it made
    for record in events:
        event = record.event_log_entry.asset_materialization
        fingerprint = reuse.fingerprint_of(event)
        if event is None or fingerprint is None:
            continue
        digest = reuse.digest_of(event)
        if any(one.digest == digest for one in results.find(store.root, fingerprint)) or not store.has(
            digest
        ):
            continue
        try:
            made, at = results.made_here(home_of(instance)), record.event_log_entry.timestamp
            result = results.Result(digest, run_id, at, event, made)
            results.note(store.root, result)
        except StoreError:
            return False
    return True
