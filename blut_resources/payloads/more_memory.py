"""Gives a step that was killed for lack of memory another attempt with a larger limit: a retry of Dagster's.

The limit of the next attempt is remembered as a tag of the run: whichever process executes that attempt finds
it there, and the page of the run shows it.
"""

import hashlib
import re
from typing import NoReturn

import dagster as dg

from blut_resources.machine.memory import size_text

TAG = "blut/memory_max."
"""What is followed by the step; a key of a tag has at most 63 characters after its slash."""
STEP_MAX = 40
SINCE = " bytes since "
"""Between the size and the run that has asked for it."""
GIB = 1 << 30
Context = dg.AssetExecutionContext | dg.OpExecutionContext


def next_size(limit: int | None, ceiling: int | None) -> int | None:
    """Returns the bytes to try after an out-of-memory kill: a quarter or 8 GiB more, up to the ceiling.

    None where no more is allowed.
    """
    if limit is None or ceiling is None:
        return None
    size = min(max(limit * 5 // 4, limit + 8 * GIB), ceiling)
    return size if size > limit else None


def is_direct(context: Context) -> bool:
    """Says whether it is of a function that somebody calls, as a test does: there is no run, and no retry."""
    return not hasattr(_op(context), "retry_number")


def remembered(context: Context) -> int | None:
    """Returns the bytes that an earlier attempt of this step has asked for in this run; None if none has."""
    op = _op(context)
    if is_direct(context) or not op.retry_number:
        return None
    run = op.instance.get_run_by_id(op.run_id)
    size, _, of = (run.tags.get(_tag(op), "") if run else "").partition(SINCE)
    return int(size) if size.isdecimal() and of == op.run_id else None  # a repeated run inherits tags


def ask_again(context: Context, name: str, failure: dg.Failure, size: int) -> NoReturn:
    """Raise Dagster's request for another attempt, whose limit will be so many bytes.

    Raises:
        RetryRequested: with the failure as its cause.
        Failure: where the next attempt could not know its limit, as in a function that is called directly.
    """
    op = _op(context)
    if is_direct(context):
        raise failure
    try:
        op.instance.add_run_tags(op.run_id, {_tag(op): f"{size}{SINCE}{op.run_id}"})
        number = op.retry_number
    except Exception:
        raise failure from None
    context.log.warning(f"{failure.description}\n{name}: again, with {size_text(size)}")
    raise dg.RetryRequested(max_retries=number + 1) from failure


def _op(context: Context) -> dg.OpExecutionContext:
    return context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context


def _tag(op: dg.OpExecutionContext) -> str:
    step = f"{op.op_handle}{op.get_mapping_key() or ''}"
    named = re.sub(r"[^A-Za-z0-9_.-]", "-", step)
    if named != step or len(named) > STEP_MAX:
        named = f"{named[:STEP_MAX]}-{hashlib.sha256(step.encode()).hexdigest()[:8]}"
    return f"{TAG}{named}"
