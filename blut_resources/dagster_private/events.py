"""Reads what Dagster's events say of a failure, and which of them are kept in other databases than a run's
own."""

import re
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from blut_resources.dagster_private.names import UNEXPECTED_TERMINATION

OF_ASSETS = frozenset(ASSET_EVENTS)
"""Those that the database of all runs keeps by asset too."""
MIRRORED = frozenset({*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS})
"""Events that other databases are told of too.

Public API stores an event and does not say where. Look at ``SqliteEventLogStorage.store_event`` and at
``DagsterInstance.handle_new_event``."""

_SKIPPED = re.compile(r"^Dependencies for step (?P<step>\S+) (failed|were not executed)")


def was_terminated(event: Any) -> bool:
    """Says whether a run ended because its process was told to, as its own process reported it.

    The reason is a field of ``JobFailureData`` that public API does not name. Look at ``RunFailureReason``
    and at where ``dagster._core.execution.api`` gives one.
    """
    reason = getattr(event.event_specific_data, "failure_reason", None)
    return getattr(reason, "name", "") == UNEXPECTED_TERMINATION


def skipped_step(text: str) -> str:
    """Returns the step that a line of Dagster's log says was not reached; empty if it says something else.

    No event tells it. Look at ``skipped_step_events`` and at "Dependencies for step" in
    ``dagster._core.execution.plan.active``.
    """
    found = _SKIPPED.match(text)
    return found["step"] if found else ""


def failed_check_records(instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int) -> Sequence[Any]:
    """Returns the records of the newest failures of a check, the newest first.

    Public API gives the last result of a check only. Look at ``get_asset_check_execution_history`` of
    ``EventLogStorage``.
    """
    failed = {AssetCheckExecutionRecordStatus.FAILED}
    return instance.event_log_storage.get_asset_check_execution_history(key, limit, status=failed)


def free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Give back the slots of Dagster's pools that a dead run keeps.

    Public API frees them when a step ends, which that of a dead run does not. Look at
    ``free_concurrency_slots_for_run`` of ``EventLogStorage``.
    """
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def note_end(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    """Show a run as failed without an event in its own log, which cannot be written.

    Public API writes that event first. Look at ``handle_run_event`` of ``RunStorage``.
    """
    kind = dg.DagsterEventType.RUN_FAILURE.value
    event = dg.DagsterEvent(kind, run.job_name, message=message)
    instance.run_storage.handle_run_event(run.run_id, event)
