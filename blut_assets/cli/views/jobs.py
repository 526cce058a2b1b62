"""Computes the rows of runs and sweeps, for `blut jobs` and the cockpit: how they stand, how far they are."""

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from blut_assets.terminal.output import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import dagster as dg

PAGE, MORE = 50, 500
"""Runs that are read at first, and then: those of a sweep are passed over."""
WORKING = ("NOT_STARTED", "STARTING", "STARTED", "CANCELING", "QUEUED")
UNREADABLE = (OSError, LookupError, TypeError, ValueError)
"""What files raise that hold something else than was written: one such run costs a line."""


def job_rows(
    instance: "dg.DagsterInstance", chosen: "dg.RunsFilter", ended: "dict[str, dict[str, Any]] | None" = None
) -> "Iterator[dict[str, Any]]":
    """Yields a row for each run, the newest first, and one for each sweep where its newest run is.

    Nothing is marked or changed: a run whose process is gone is shown as its history has it.

    Args:
        ended: run id -> row of what had ended at an earlier look, which is not read again; rows are added.
    """
    from blut_assets.sweeps.record import SWEEP_TAG

    _left_by_run.cache_clear()
    held = _held_by_run()
    known = {} if ended is None else ended
    seen: set[str] = set()
    apart = SWEEP_TAG in (chosen.tags or {})
    cursor, limit = None, PAGE
    while page := instance.get_run_records(chosen, limit=limit, cursor=cursor):
        for one in page:
            run_id, sweep = one.dagster_run.run_id, one.dagster_run.tags.get(SWEEP_TAG, "")
            if not sweep or apart:
                row = known.get(run_id) or {**job_row(instance, one), "holds": held.get(run_id, "")}
                if one.dagster_run.is_finished:
                    known[run_id] = row
                yield row
            elif sweep not in seen:
                seen.add(sweep)
                yield _sweep_row(instance, one, sweep)
        if len(page) < limit:
            return
        cursor, limit = page[-1].dagster_run.run_id, MORE


def _sweep_row(instance: "dg.DagsterInstance", record: Any, sweep: str) -> dict[str, Any]:
    """Returns the row of a sweep, of which a run was found; of a sweep that is not known that of the run."""
    from blut_assets.cli.views.sweeps import sweep_row
    from blut_assets.sweeps.record import SweepRecord
    from blut_resources.instance.instance import home_of

    found = sweep_row(SweepRecord(home_of(instance), sweep))
    if found is None:
        return {**job_row(instance, record), "holds": ""}
    best = f", best {found['best']}" if found["best"] else ""
    ended = None if found["state"] == "started" else found["ended"]
    return {
        "id": sweep,
        "state": found["state"],
        "where": found["where"],
        "recipe": f"sweep of {found['recipe']}",
        "partition": "",
        "started": found["begun"],
        "seconds": ended and max(0.0, ended - found["begun"]),
        "progress": f"{found['words']}{best}",
        "holds": "",
        "trials": {name: found[name] for name in ("total", "running", "waiting", "outcomes")},
    }


def _held_by_run() -> dict[str, str]:
    """Returns run id -> what it holds of this machine, in words; nothing where the leases cannot be read."""
    from blut_resources.leases.lease import LeaseError, holders
    from blut_resources.leases.queue import needs_text

    held: dict[str, list[str]] = {}
    with contextlib.suppress(LeaseError):
        for claim in holders():
            held.setdefault(claim.holder.get("run", ""), []).append(needs_text(claim.needs))
    return {run: " and ".join(texts) for run, texts in held.items()}


def job_row(instance: "dg.DagsterInstance", record: Any) -> dict[str, Any]:
    """Returns the row of one run, of which Dagster has this record."""
    from blut_assets.cli.run.lookup import title_of
    from blut_assets.history.partitions import partition_of_run
    from blut_assets.history.took import took
    from blut_resources.working import whereabouts

    run = record.dagster_run
    state, progress = standing_of(instance, run)
    return {
        "id": run.run_id,
        "state": state,
        "where": "" if run.is_finished else whereabouts(instance, run.run_id),
        "recipe": title_of(run),
        "partition": str(partition_of_run(run.tags) or ""),
        "started": record.start_time or record.create_timestamp.timestamp(),
        "seconds": took(instance, record),
        "progress": progress,
    }


def standing_of(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> tuple[str, str]:
    """Says how a run stands, in a word, and in one line who it waits for or the asset at work and its
    newest epoch; of a failed one, why; of a cancelled one, how far it had come.
    """
    from blut_assets.history.failures import CANCELLED, ended_as, unreadable
    from blut_resources.instance.damage import is_of_database
    from blut_resources.instance.instance import home_of

    state = run.status.value.lower()
    try:
        state, why = ended_as(instance, run)
        goes_on = run.is_failure and _left_by_run(home_of(instance)).get(run.run_id)
        if goes_on:
            return state, f"{goes_on} goes on without it; the same command takes it over"
        if state == CANCELLED or not run.is_failure:
            return state, _how_far(instance, run)
        return state, next(iter(why.splitlines()), "")
    except Exception as error:
        if not is_of_database(error) and not isinstance(error, UNREADABLE):
            raise
        return state, unreadable(instance, run.run_id, error)


@functools.cache
def _left_by_run(home: "Path") -> dict[str, str]:
    """Returns run id -> its job that has outlived it, in words, as far as files tell."""
    from blut_resources.instance.home import store_root
    from blut_resources.launchers.left import left_jobs

    return {one.launch["run"]: one.name for one in left_jobs(store_root(home) / "work") if not one.ended}


def _how_far(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> str:
    from blut_assets.cli.run.lookup import how_far
    from blut_resources.payloads.admission import WAITING_TAG

    waits = run.tags.get(WAITING_TAG, "")
    if waits and not waits.startswith("no more") and not run.is_finished:
        return waits
    asset, values = how_far(instance, run)
    return f"{asset} {numbers(values)}".rstrip()
