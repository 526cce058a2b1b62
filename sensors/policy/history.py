"""Tells what a policy did, out of Dagster's own records: its runs carry its name as a tag.

There is no second record that could disagree: a run that was deleted did not happen, and one whose process
was killed is a failure as soon as it is marked so.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from blut_assets.history.failures import failure_of
from blut_assets.history.partitions import tags_of_partition
from blut_assets.stages.reuse import ARTIFACT
from sensors.policy.decide import Attempt, History, Outcome

POLICY_TAG, SUBJECT_TAG, REASON_TAG = "blut/policy", "blut/policy_subject", "blut/policy_reason"
LOOKED_AT = 100
"""Runs of a policy that a decision looks at, besides its last success."""

_STATUS: Mapping[dg.DagsterRunStatus, Outcome] = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}


def history(
    instance: dg.DagsterInstance, name: str, since: dt.datetime | None, partition: str | None = None
) -> History:
    """Returns the attempts of the policy ``name``, newest first in the order in which they were made.

    Args:
        partition: only those of this one.
    """
    tags = {POLICY_TAG: name, **(tags_of_partition(partition) if partition is not None else {})}
    records = list(instance.get_run_records(dg.RunsFilter(tags=tags), limit=LOOKED_AT))
    if len(records) == LOOKED_AT:
        succeeded = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
        known = {record.storage_id for record in records}
        records += [r for r in instance.get_run_records(succeeded, limit=1) if r.storage_id not in known]
    attempts: list[Attempt] = []
    for record in records:
        # what it died of is in the log of the run: not read for what is older than the newest end
        ended = any(attempt.concluded for attempt in attempts)
        attempts.append(_attempt(instance, record, look_closely=not ended))
    return History(tuple(attempts), since)


def _attempt(instance: dg.DagsterInstance, record: dg.RunRecord, look_closely: bool) -> Attempt:
    run = record.dagster_run
    outcome = _STATUS.get(run.status, "running")
    if outcome == "failure" and look_closely:
        outcome = failure_of(instance, run.run_id).kind
    ended = dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else None
    return Attempt(run.run_id, record.create_timestamp, ended, outcome, run.tags.get(SUBJECT_TAG, ""))


def artifacts_of(
    instance: dg.DagsterInstance, run_id: str, keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, dict[str, Any]]:
    """Returns the facts of the artifacts that a run recorded for these assets, the digest among them."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    found: dict[dg.AssetKey, dict[str, Any]] = {}
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.asset_materialization
        entry: Any = event.metadata.get(ARTIFACT) if event else None
        if event is not None and entry is not None and event.asset_key in keys:
            found[event.asset_key] = entry.value
    return found
