"""Chooses and removes the records of sweeps and searches whose runs have gone: what was asked for, and what
came of it.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import dagster as dg

from blut_assets.sweeps.record import GONE, SWEEP_TAG, SWEEPS, SweepRecord, records
from blut_resources.files.durable import remove_tree
from blut_resources.instance.instance import home_of
from sensors.housekeeping.policy import DAY_S, Housekeeping


def old_sweeps(
    instance: dg.DagsterInstance, policy: Housekeeping, now: dt.datetime, leaving: Collection[str]
) -> list[SweepRecord]:
    """Returns the sweeps of which no run is left, that nobody leads, and that were not written to within the
    days of the policy.

    Args:
        leaving: ids of runs that are taken for gone.
    """
    if not policy.bounds_runs:
        return []
    runs = (one.dagster_run for one in instance.get_run_records())
    left = {run.tags.get(SWEEP_TAG) for run in runs if run.run_id not in leaving}
    until = now.timestamp() - (policy.keep_days or 0) * DAY_S
    found = [one for one in records(home_of(instance)) if one.id not in left and one.touched() < until]
    return [one for one in found if one.leads() == "no"]


def remove_sweeps(home: Path, chosen: Iterable[SweepRecord]) -> Iterator[SweepRecord]:
    """Removes the records that were chosen, after those of a removal that was killed; yields each when gone.

    One that somebody leads by now stays.
    """
    for torn in (home / SWEEPS).glob(f"{GONE}*"):
        remove_tree(torn)
    for one in chosen:
        if one.remove():
            yield one
