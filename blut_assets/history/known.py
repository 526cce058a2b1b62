"""Holds what a history knows of results, read once for all that is asked of it."""

import functools
from collections.abc import Iterator

import dagster as dg

from blut_assets.stages import reuse
from blut_resources.dagster_private.names import DATA_VERSION_TAG
from blut_resources.instance.instance import store_of
from blut_resources.store import results

PAGE = 200


class KnownHistory:
    """Holds the results of an instance: those in its event log, and those noted in its store.

    Most runs of a long history reuse what they had. So of the log only those are read that say what each
    result was made of: the oldest and the newest with each partition, fingerprint and digest, and all that
    have no fingerprint.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    @functools.cached_property
    def logged(self) -> list[dg.EventLogRecord]:
        """Returns the materializations in the event log, of each asset the newest first."""
        return [one for key in self._instance.get_asset_keys() for one in _different(self._instance, key)]

    @functools.cached_property
    def noted(self) -> list[results.Result]:
        """Returns what the store has noted, also of runs that were deleted, the newest first."""
        return list(results.every(store_of(self._instance).root))


def _different(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
    # at its first import it brings what migrates databases: the instance has brought it, without that
    from blut_resources.dagster_private.different import first_and_last

    numbers = first_and_last(instance, key, (reuse.FINGERPRINT_TAG, DATA_VERSION_TAG))
    if numbers is None:
        yield from reuse.materializations(instance, key)
        return
    for chosen in (numbers[start : start + PAGE] for start in range(0, len(numbers), PAGE)):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=chosen)
        yield from instance.fetch_materializations(wanted, limit=PAGE).records
