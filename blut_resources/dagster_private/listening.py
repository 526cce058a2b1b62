"""Reads what this process reports of a run, once its storage has it, whatever that is."""

from collections.abc import Callable

import dagster as dg


def listen(instance: dg.DagsterInstance, run_id: str, hear: Callable[[dg.EventLogEntry], None]) -> None:
    """Have each event of a run that this process reports from now on handed over.

    Dagster's hooks are for steps, its sensors for a daemon. Look at ``add_event_listener`` and
    ``handle_new_event`` of ``DagsterInstance``.
    """
    instance.add_event_listener(run_id, hear)
