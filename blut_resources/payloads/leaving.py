"""Says whether an interrupt is somebody's wish to end what a run has launched, or only the end of a process.

A person at a terminal types Ctrl-C, or asks for the end of the run by name; then its jobs end too. A UI that
is restarted, a terminal that is closed and a machine that shuts down send signals as well, and want nothing
of jobs on other machines.
"""

import os
from collections.abc import Callable

import dagster as dg

from blut_resources.instance.instance import home_of
from blut_resources.launchers.base import Launched
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.payloads import orchestrator
from blut_resources.runs.cancelling import time_given
from blut_resources.runs.hang_up import heeds_person, is_hung_up, is_interrupt


def leave_or_end(
    unit: Launched,
    context: dg.AssetExecutionContext,
    name: str,
    error: BaseException,
    last_words: Callable[[], object],
) -> None:
    """Leave a job alone, if it goes on though its run ends by this error; else end it, as any process.

    Args:
        name: of its payload, for the log.
        last_words: hears what it has said until its end, and nobody has read.
    """
    if isinstance(unit, RemoteUnit) and _is_left_alone(context.instance, context.run.run_id, error):
        unit.leave()
        context.log.warning(f"{name}: {unit.describe()} goes on; the same command takes it over")
        return
    unit.close(time_given(home_of(context.instance), context.run.run_id))
    last_words()


def _is_left_alone(instance: dg.DagsterInstance, run_id: str, error: BaseException) -> bool:
    """Says whether a job goes on though its run ends by this error."""
    if not isinstance(error, GeneratorExit) and not is_interrupt(type(error)):
        return False
    run = instance.get_run_by_id(run_id)
    if run is None or run.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED):
        return False
    if is_hung_up() or orchestrator.ended():
        return True  # also of a run that has failed by that, while Dagster had an event of it in hand
    if run.is_finished:
        return False
    # below a UI or its daemon: whoever cancels there says so in the history first
    return not heeds_person() and bool({*orchestrator.above(os.getpid()).values()} - {"blut"})
