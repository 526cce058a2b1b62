"""Says how long a run took."""

import contextlib

import dagster as dg

from blut_resources.instance.instance import home_of
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path


def took(instance: dg.DagsterInstance, record: dg.RunRecord) -> float | None:
    """Returns the seconds that a run took; None of one that has not ended, or never began.

    The run has measured them itself. Dagster subtracts times of day, which somebody may set, and a run whose
    process died ends for it when that is found, which may be the next morning. So that counts only where
    there is no manifest with its end.
    """
    if not record.dagster_run.is_finished:
        return None
    with contextlib.suppress(OSError, ValueError):
        known = manifest.read(manifest_path(home_of(instance), record.dagster_run.run_id))
        if known["outcome"] and known.get("seconds") is not None:
            return known["seconds"]
    begun, end = record.start_time, record.end_time
    return max(0.0, end - begun) if begun and end else None
