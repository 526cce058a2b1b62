"""Reads and writes what an instance keeps of sensors: of which code location each is, its switch, its cursor.

Public API starts and stops a sensor by its definition and shows a cursor to its own tick only. When it
changes, look at ``InstigatorState``, ``InstigatorStatus`` and ``SensorInstigatorData`` in
``dagster._core.scheduler.instigation``, at ``RemoteRepositoryOrigin`` in ``dagster._core.remote_origin``, and
at what ``dagster._daemon.sensor`` does with them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState
from dagster._serdes import deserialize_value, serialize_value

from blut_resources.dagster_private.names import REPOSITORY, REPOSITORY_LABEL_TAG


class Place(NamedTuple):
    """Says in which code location something is defined, and in which repository of that."""

    location: str
    repository: str

    @property
    def words(self) -> str:
        """Returns the name of the location, and of the repository where it is not the only one."""
        return self.location if self.repository == REPOSITORY else f"{self.repository}@{self.location}"


class SensorCursor(NamedTuple):
    """Holds what a sensor has left for its next tick; ``kind`` is ASSET, RUN_STATUS and so on."""

    sensor: str
    kind: str
    text: str


def sensors_of(instance: dg.DagsterInstance) -> Sequence[InstigatorState]:
    """Returns what is kept of every sensor that has ticked, or that somebody has switched on or off."""
    return [one for one in instance.all_instigator_state() if one.instigator_type.name == "SENSOR"]


def close(instance: dg.DagsterInstance) -> None:
    """Close the database of schedules and sensors, which stays open when an instance is closed.

    An open one has files beside it that were not there. Look at ``dispose`` of ``StorageMethods``.
    """
    storage = instance.schedule_storage
    if storage is not None:
        storage.dispose()


def place_of(state: InstigatorState) -> Place:
    """Returns where a sensor is defined."""
    origin = state.origin.repository_origin
    return Place(origin.code_location_origin.location_name, origin.repository_name)


def place_of_tick(context: dg.SensorEvaluationContext) -> Place | None:
    """Returns where the sensor of a tick is defined; None outside the daemon, as in a test."""
    origin, repository = context.code_location_origin, context.repository_name
    return Place(origin.location_name, repository) if origin and repository else None


def place_of_run(run: dg.DagsterRun) -> Place | None:
    """Returns where the job of a run is defined; None where the run does not say so."""
    if run.remote_job_origin is not None:
        origin = run.remote_job_origin.repository_origin
        return Place(origin.code_location_origin.location_name, origin.repository_name)
    repository, _, location = run.tags.get(REPOSITORY_LABEL_TAG, "").partition("@")
    return Place(location, repository) if location else None


def given(state: InstigatorState, name: str) -> InstigatorState:
    """Returns the same of a sensor of another name, in the same place."""
    return state._replace(origin=state.origin.repository_origin.get_instigator_origin(name))


def cursor_of(state: InstigatorState) -> str:
    """Returns what the last tick has left for the next one; empty if nothing."""
    return str(getattr(state.instigator_data, "cursor", None) or "")


def cursors(instance: dg.DagsterInstance) -> list[SensorCursor]:
    """Returns what the sensors of an instance have left for their next ticks."""
    return [found for state in sensors_of(instance) if (found := _cursor(state)).text]


def renumbered(body: str, translated: Callable[[SensorCursor], str | None]) -> str:
    """Returns what is kept of a sensor, or a schedule, as Dagster keeps it, with a translated cursor."""
    state = deserialize_value(body, InstigatorState)
    before = _cursor(state)
    after = translated(before) if before.text else None
    if after is None or after == before.text or state.instigator_data is None:
        return body
    return serialize_value(state.with_data(state.instigator_data._replace(cursor=after)))


def _cursor(state: InstigatorState) -> SensorCursor:
    kind = getattr(getattr(state.instigator_data, "sensor_type", None), "name", "")
    return SensorCursor(state.instigator_name, kind, cursor_of(state))


def began(state: InstigatorState) -> float:
    """Returns when the last tick began, in seconds since 1970; 0 if there was none."""
    return float(getattr(state.instigator_data, "last_tick_start_timestamp", None) or 0)


def interval_of(state: InstigatorState) -> float:
    """Returns the least seconds between two ticks."""
    return float(getattr(state.instigator_data, "min_interval", None) or 0)


def is_off(state: InstigatorState) -> bool:
    """Says whether somebody has switched a sensor off."""
    return state.status.name == "STOPPED"


def forget(instance: dg.DagsterInstance, state: InstigatorState) -> None:
    """Keep nothing of a sensor any more."""
    instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def kept_as(instance: dg.DagsterInstance, old: InstigatorState, name: str) -> InstigatorState | None:
    """Returns what is kept of a sensor under another name, in the same place; None if nothing."""
    new = given(old, name)
    return instance.get_instigator_state(new.instigator_origin_id, new.selector_id)


def copy_to(instance: dg.DagsterInstance, old: InstigatorState, name: str) -> None:
    """Give switch and cursor of a sensor to one of another name, unless that has its own by now.

    What nobody has switched yet has a status of its own, and a sensor that has just begun has no cursor.
    """
    new, kept = given(old, name), kept_as(instance, old, name)
    if kept is None:
        instance.add_instigator_state(new)
    else:
        switched = kept.status.name != "DECLARED_IN_CODE"
        data = kept.instigator_data if cursor_of(kept) else old.instigator_data
        status = kept.status if switched else old.status
        instance.update_instigator_state(kept._replace(status=status, instigator_data=data))
