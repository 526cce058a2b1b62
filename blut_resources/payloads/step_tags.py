"""Keeps for the next attempt of a step what the one before has found out: as a tag of the run.

Whichever process executes that attempt finds it there, and the page of the run shows it.
"""

import hashlib
import re

import dagster as dg

STEP_MAX = 40
"""Characters of the step in the key of a tag, which has at most 63 after its slash."""
SINCE = " since "
"""Between what is kept and the run that has written it: a run that repeats another inherits its tags."""
Context = dg.AssetExecutionContext | dg.OpExecutionContext


def is_direct(context: Context) -> bool:
    """Says whether it is of a function that somebody calls, as a test does: there is no run, and no retry."""
    return not hasattr(_op(context), "retry_number")


def recall(context: Context, kind: str) -> str:
    """Returns what an earlier attempt of this step has kept in this run; empty if it has kept nothing."""
    op = _op(context)
    if is_direct(context) or not op.retry_number:
        return ""
    run = op.instance.get_run_by_id(op.run_id)
    said, _, of = (run.tags.get(_tag(op, kind), "") if run else "").rpartition(SINCE)
    return said if of == op.run_id else ""


def remember(context: Context, kind: str, said: str) -> int:
    """Keep something for the next attempt; returns how many retries there were before."""
    op = _op(context)
    op.instance.add_run_tags(op.run_id, {_tag(op, kind): f"{said}{SINCE}{op.run_id}"})
    return op.retry_number


def _op(context: Context) -> dg.OpExecutionContext:
    return context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context


def _tag(op: dg.OpExecutionContext, kind: str) -> str:
    step = f"{op.op_handle}{op.get_mapping_key() or ''}"
    named = re.sub(r"[^A-Za-z0-9_.-]", "-", step)
    if named != step or len(named) > STEP_MAX:
        named = f"{named[:STEP_MAX]}-{hashlib.sha256(step.encode()).hexdigest()[:8]}"
    return f"{kind}{named}"
