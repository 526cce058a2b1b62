"""Says why a run failed, as the check, the step or the run that knew best said it."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import dagster as dg

from blut_resources.dagster_private.events import skipped_step, was_terminated
from blut_resources.dagster_private.names import CHECK_FAILED
from blut_resources.instance.damage import HistoryDamaged, damage, is_of_database
from blut_resources.runs.deadline import WORD
from blut_resources.runs.pruning import WORD as PRUNED

INTERRUPTION = dg.DagsterExecutionInterruptedError.__name__
CANCELLED = "cancelled"
STOPPED = "interrupted"
"""What is said of a step that Ctrl-C or SIGTERM ended."""


class Failure(NamedTuple):
    """Says what a failed run died of.

    ``kind`` is ``refused`` where all was computed and a blocking check said no, ``cancelled`` where Ctrl-C or
    SIGTERM ended the run, which Dagster calls a failure too, ``deadline`` where its deadline did, ``pruned``
    where a search has given it up, or paused it.
    """

    kind: Literal["failure", "refused", "cancelled", "deadline", "pruned"]
    why: str


def failure_of(instance: dg.DagsterInstance, run_id: str) -> Failure:
    """Returns what a failed run died of:
    its first check or step that failed, else what the run itself said.

    Where its log cannot be read it is that which is told.
    """
    try:
        return _failure_of(instance, run_id)
    except Exception as error:
        if not is_of_database(error):
            raise
        return Failure("failure", f"nobody knows why: {unreadable(instance, run_id, error)}")


def ended_as(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    """Returns how a run stands, in a word, and of a failed one why.

    The word is Dagster's, but where the manifest knows better: `Failure`'s for a run that was interrupted, or
    ended as it was to.
    """
    state, why = run.status.value.lower(), ""
    if run.is_failure:
        kind, why = failure_of(instance, run.run_id)
        state = kind if kind in (CANCELLED, WORD, PRUNED) else state
    return CANCELLED if run.status is dg.DagsterRunStatus.CANCELED else state, why


def unreadable(instance: dg.DagsterInstance, run_id: str, error: Exception) -> str:
    """Returns what is wrong with the log of one run."""
    own = Path(instance.root_directory) / "history" / "runs" / f"{run_id}.db"
    what = damage(own) if own.exists() else ""
    return f"its log {what}: {own}" if what else f"its log is not read: {str(error).splitlines()[0]}"


def _failure_of(instance: dg.DagsterInstance, run_id: str) -> Failure:
    kind = dg.DagsterEventType
    kinds = {kind.ASSET_CHECK_EVALUATION, kind.STEP_FAILURE, kind.RUN_FAILURE}
    events: list[Any] = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kinds)]
    # by step, not by order: a history that was copied lists a run's checks after its steps
    refused = {event.step_key: said for event in events if (said := _refusal(event))}
    for event in events:
        if event.event_type is kind.ASSET_CHECK_EVALUATION:
            continue
        if event.is_step_failure:
            if failed_by_check(event) and event.step_key in refused:
                return Failure("refused", refused[event.step_key])
            why = cause_of(event)
            if is_deadline(event):
                return Failure("deadline", why)
            if is_pruned(event):
                return Failure("pruned", why)
            return Failure("cancelled" if why == STOPPED else "failure", f"{asset_of(event.step_key)}: {why}")
        if was_terminated(event):
            return Failure("cancelled", STOPPED)
        if event.message:
            return Failure("failure", event.message)
    return Failure("failure", "no reason was recorded")


def _refusal(event: Any) -> str:
    """Returns what a blocking check that failed said; empty for any other event."""
    if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return ""
    found = event.event_specific_data
    if found.passed or not found.blocking:
        return ""
    return f"check {found.check_name} failed: {found.description or ''}".rstrip(": ")


def failed_by_check(event: Any) -> bool:
    """Says whether a step failed for no other reason than its check."""
    error = getattr(event.event_specific_data, "error", None) if event.is_step_failure else None
    return error is not None and error.cls_name == CHECK_FAILED


def is_deadline(event: Any) -> bool:
    """Says whether a step failed because the deadline of its run had come."""
    return _outcome(event) == WORD


def is_pruned(event: Any) -> bool:
    """Says whether a step failed because a search has given up its training, or paused it."""
    return _outcome(event) == PRUNED


def is_planned(event: Any) -> bool:
    """Says whether a step failed because its training was to end so."""
    return _outcome(event) in (WORD, PRUNED)


def _outcome(event: Any) -> Any:
    failure = getattr(event.event_specific_data, "user_failure_data", None) if event.is_step_failure else None
    told = failure.metadata.get("outcome") if failure else None
    return told.value if told is not None else None


def cause_of(event: Any) -> str:
    """Says why a step failed, as the one who knew best said it."""
    if failed_by_check(event):
        return "a blocking check"
    data = event.event_specific_data
    failure, error = getattr(data, "user_failure_data", None), getattr(data, "error", None)
    if failure and failure.description:
        return failure.description
    chain = [error] if error else []
    while chain and chain[-1].cause:
        chain.append(chain[-1].cause)
    if any(one.cls_name == INTERRUPTION for one in chain):
        return STOPPED
    # what Dagster puts around an error says less than that, and so does what was the cause of that
    spoke = next((one for one in chain if not (one.cls_name or "").startswith("Dagster")), None)
    error = spoke or (chain[-1] if chain else None)
    if error is None:
        return "unknown"
    said = error.message.strip()
    return said.partition(": ")[2] if error.cls_name == HistoryDamaged.__name__ else said


def failed_words(event: Any) -> str:
    """Returns ``interrupted``, or ``FAILED:`` and why a step did; ``ENDED:`` where that was planned."""
    why = cause_of(event)
    return why if why == STOPPED else f"{'ENDED' if is_planned(event) else 'FAILED'}: {why}"


def not_reached(text: str) -> str:
    """Returns the asset that a line of Dagster's log says was not reached; empty if it says no such thing."""
    return asset_of(skipped_step(text))


def asset_of(step: str) -> str:
    """Returns the asset that a step of Dagster's makes, as a person writes it."""
    return step.replace("__", "/", 1)
