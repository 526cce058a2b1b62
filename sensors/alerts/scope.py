"""Says which runs are Blut's: alerts tell of these, and of others only if they are told to."""

from collections.abc import Iterable
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict

from blut_resources.dagster_private.instigators import Place, place_of_run
from blut_resources.instance.damage import is_of_database

OWN_TAG = "blut/"


class AlertScope(BaseModel):
    """Names what is Blut's in one code location, or in several of them.

    Attributes:
        jobs: names of jobs.
        assets: asset keys, as users write them.
        checks: ``asset:check``.
        sources: those of the assets that only look at what the user has.
    """

    model_config = ConfigDict(frozen=True)

    jobs: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        checks: Iterable[dg.AssetChecksDefinition],
        jobs: Iterable[str],
        assets: Iterable[dg.AssetKey],
        sources: Iterable[dg.AssetKey] = (),
    ) -> "AlertScope":
        """Returns the scope of these definitions."""
        return cls(
            jobs=tuple(jobs),
            assets=tuple(key.to_user_string() for key in assets),
            checks=tuple(key.to_user_string() for check in checks for key in check.check_keys),
            sources=tuple(key.to_user_string() for key in sources),
        )

    def __or__(self, other: "AlertScope") -> "AlertScope":
        """Returns what is in either."""
        return AlertScope(
            jobs=_both(self.jobs, other.jobs),
            assets=_both(self.assets, other.assets),
            checks=_both(self.checks, other.checks),
            sources=_both(self.sources, other.sources),
        )

    @property
    def check_keys(self) -> list[dg.AssetCheckKey]:
        """Returns the keys of the checks."""
        parts = (name.rpartition(":") for name in self.checks)
        return [dg.AssetCheckKey(dg.AssetKey.from_user_string(asset), check) for asset, _, check in parts]


def _both(these: Iterable[str], those: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*these, *those]))


def is_bluts(
    instance: dg.DagsterInstance, run: dg.DagsterRun, scope: AlertScope, places: Iterable[Place]
) -> bool:
    """Says whether a run is of a job of Blut's, or makes an asset of Blut's.

    Args:
        places: the code locations that load Blut; empty if they are not known. A job of another location may
            have the name of one of Blut's.
    """
    if any(tag.startswith(OWN_TAG) for tag in run.tags):
        return True
    place, known = place_of_run(run), set(places)
    if place is not None and known and place not in known:
        return False
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    if run.job_name in scope.jobs or selected & set(scope.assets):
        return True
    return bool(_made_by(instance, run) & set(scope.assets))


def _made_by(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """Returns the assets that a run was to make, as far as its log says so."""
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.STEP_FAILURE}
    try:
        entries = instance.all_logs(run.run_id, of_type=kinds)
    except Exception as error:
        if not is_of_database(error):
            raise
        return set()
    events: list[Any] = [entry.dagster_event for entry in entries]
    planned = {event.asset_key.to_user_string() for event in events if event.asset_key}
    # the step of an asset is called by its key, and keeps that name where somebody renames the asset
    return planned | {event.step_key.replace("__", "/") for event in events if event.step_key}
