"""Computes the rows of retraining policies, for `blut policy check` and the cockpit."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensors.policy.decide import Run
from sensors.policy.file import PolicyFile
from sensors.policy.forecast import remarks

if TYPE_CHECKING:
    from sensors.retraining import Retraining


def policy_rows(file: PolicyFile, found: "Sequence[Retraining]") -> list[dict[str, Any]]:
    """Returns a row for each policy, or for each partition of one, in the order of the file.

    As ``policy``, ``run`` (whether it would start one now), the first ``reason`` for or against it,
    ``partition``, ``recipe``, ``next_start`` (ISO 8601) with its ``next_start_why``, and ``remarks``; None
    for what there is not.

    Args:
        found: what every policy of the file wants now.
    """
    said = remarks_of(file)
    return [{**_row(one), "remarks": said.get(policy_of(one, file), [])} for one in found]


def remarks_of(file: PolicyFile) -> dict[str, list[str]]:
    """Returns what works against the schedule of each policy that is on, by its name."""
    now = dt.datetime.now(dt.UTC)
    return {name: list(remarks(policy, now)) for name, policy in file.policies.items() if policy.enabled}


def policy_of(one: "Retraining", file: PolicyFile) -> str:
    """Returns the name in the file of a policy, or of one of its partitions."""
    return one.policy if one.policy in file.policies else one.policy.rpartition("[")[0]


def _row(one: "Retraining") -> dict[str, Any]:
    starts = one.starts
    return {
        "policy": one.policy,
        "run": isinstance(one.decision, Run),
        "reason": one.decision.reason,
        "partition": one.partition,
        "recipe": one.recipe.name if one.recipe else None,
        "next_start": starts.at.isoformat(timespec="seconds") if starts and starts.at else None,
        "next_start_why": starts.why if starts else None,
    }
