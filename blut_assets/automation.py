"""Gives conditions of Dagster's declarative automation that know a new version from a reused one."""

from typing import Any

import dagster as dg


def on_new_version(*, complete: bool = True) -> dg.AutomationCondition[Any]:
    """Returns what asks for an asset when the bytes above it are others than before.

    It is ``AutomationCondition.eager()`` for whoever stands below artifacts of Blut. A run that finds its
    results again reports each of them once more, and ``eager()`` would compute everything below anew; this
    compares their data versions, which are the digests of the bytes.

    Args:
        complete: whether every partition above must be there.
    """
    when = dg.AutomationCondition
    other = when.newly_missing() | when.any_deps_match(when.data_version_changed())
    condition = when.in_latest_time_window() & other.since_last_handled() & idle(complete=complete)
    return condition.with_label("on_new_version")


def idle(*, complete: bool = True) -> dg.AutomationCondition[Any]:
    """Returns what holds while an asset and all above it are there, and none of them is being made.

    Args:
        complete: whether every partition above must be there.
    """
    when = dg.AutomationCondition
    quiet = ~when.any_deps_in_progress() & ~when.in_progress()
    return ~when.any_deps_missing() & quiet if complete else quiet
