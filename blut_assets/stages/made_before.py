"""Asks the history once what the assets of a run were last, for all of its steps that may reuse that."""

import functools
from collections.abc import Mapping

import dagster as dg

from blut_resources.dagster_private.steps import assets_of_run, runs_for_another


class MadeBefore:
    """Holds what was there when a run began its first step: a result among it is as good as a newer one.

    Attributes:
        there: runs that the history has.
    """

    def __init__(self) -> None:
        self.there = set[str]()
        self._records: Mapping[dg.AssetKey, dg.EventLogRecord] | None = None

    def of(self, context: dg.AssetExecutionContext) -> dg.EventLogRecord | None:
        """Returns the newest materialization of the asset of a step; None where the history has to tell."""
        if self._records is None:
            # a process that has one step of it does not ask for all
            self._records = {} if runs_for_another(context) else self._asked(context)
        return self._records.get(context.asset_key)

    def _asked(self, context: dg.AssetExecutionContext) -> Mapping[dg.AssetKey, dg.EventLogRecord]:
        instance = context.instance
        entries = [one.asset_entry for one in instance.get_asset_records([*assets_of_run(context)])]
        found = {one.asset_key: made for one in entries if (made := one.last_materialization_record)}
        runs = {one.run_id for one in found.values()}
        # of deleted runs Dagster remembers what they made last, though it is not in the history any more
        if not runs or instance.get_runs_count(dg.RunsFilter(run_ids=[*runs])) < len(runs):
            return {}
        self.there |= runs
        return found


@functools.lru_cache(maxsize=1)
def made_before(run_id: str) -> MadeBefore:
    """Returns what is known for a run."""
    return MadeBefore()
