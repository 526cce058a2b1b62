"""Gives a step that lacked memory and was killed another attempt, with a larger limit: a retry of Dagster."""

from typing import NoReturn

import dagster as dg

from blut_resources.machine.memory import size_text
from blut_resources.payloads.step_tags import Context, is_direct, recall, remember

TAG = "blut/memory_max."
"""What is followed by the step."""
BYTES = " bytes"
GIB = 1 << 30


def next_size(limit: int | None, ceiling: int | None) -> int | None:
    """Returns the bytes to try after an out-of-memory kill: a quarter or 8 GiB more, up to the ceiling.

    None where no more is allowed.
    """
    if limit is None or ceiling is None:
        return None
    size = min(max(limit * 5 // 4, limit + 8 * GIB), ceiling)
    return size if size > limit else None


def remembered(context: Context) -> int | None:
    """Returns the bytes that an earlier attempt of this step has asked for in this run; None if none has."""
    size = recall(context, TAG).removesuffix(BYTES)
    return int(size) if size.isdecimal() else None


def ask_again(context: Context, name: str, failure: dg.Failure, size: int) -> NoReturn:
    """Raise Dagster's request for another attempt, whose limit will be so many bytes.

    Raises:
        RetryRequested: with the failure as its cause.
        Failure: where the next attempt could not know its limit, as in a function that is called directly.
    """
    if is_direct(context):
        raise failure
    try:
        number = remember(context, TAG, f"{size}{BYTES}")
    except Exception:
        raise failure from None
    context.log.warning(f"{failure.description}\n{name}: again, with {size_text(size)}")
    raise dg.RetryRequested(max_retries=number + 1) from failure
