"""Tells Dagster which of a run's own materializations its steps take, where it asks the database for each.

Before each step Dagster asks which materialization of each asset above is the newest, for the tags of what
the step makes. Within a run that is the one that the run itself has just stored, whatever another run has
stored since. Public API gives no hand in that. When Dagster changes, look at ``_fetch_asset_records`` of
``DataVersionCache``, and at what it takes of the records.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.execution.context.data_version_cache import DataVersionCache
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord

UNNUMBERED = -1
"""In place of the number of an asset, for which Dagster does not ask here."""


@contextlib.contextmanager
def inputs_known(stored: Mapping[dg.AssetKey, dg.EventLogRecord]) -> Iterator[None]:
    """Let steps find these materializations inside the block; of other assets the database is asked.

    Args:
        stored: by asset what this process has stored last; it may grow meanwhile.
    """
    ask = DataVersionCache._fetch_asset_records

    def known(self: DataVersionCache, asset_keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, AssetRecord]:
        own = self._context.run_id
        found = {key: one for key in asset_keys if (one := stored.get(key)) and one.run_id == own}
        rest = [key for key in asset_keys if key not in found]
        return (ask(self, rest) if rest else {}) | {key: _record(key, one) for key, one in found.items()}

    DataVersionCache._fetch_asset_records = known  # type: ignore[method-assign]
    try:
        yield
    finally:
        DataVersionCache._fetch_asset_records = ask  # type: ignore[method-assign]


def _record(key: dg.AssetKey, newest: dg.EventLogRecord) -> AssetRecord:
    entry = AssetEntry(asset_key=key, last_materialization_record=newest)
    return AssetRecord(storage_id=UNNUMBERED, asset_entry=entry)
