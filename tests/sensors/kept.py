"""What the daemon keeps of sensors, put into an instance by hand; and their ticks as it calls for them."""

from typing import Any, Literal

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

Switch = Literal["RUNNING", "STOPPED", "DECLARED_IN_CODE"]


def location_of(name: str) -> ManagedGrpcPythonEnvCodeLocationOrigin:
    return ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(), name)


def state_of(
    name: str, location: str, *, switch: Switch = "RUNNING", repository: str = "__repository__", **data: Any
) -> InstigatorState:
    """``data`` goes into ``SensorInstigatorData``."""
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location_of(location), repository), name)
    kept = SensorInstigatorData(**{"min_interval": 30, **data})
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus[switch], kept)


def keep(instance: dg.DagsterInstance, name: str, location: str, **told: Any) -> InstigatorState:
    state = state_of(name, location, **told)
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id):
        return instance.update_instigator_state(state)
    return instance.add_instigator_state(state)


def kept(instance: dg.DagsterInstance) -> dict[tuple[str, str], tuple[str, str]]:
    """(name, location) -> (switch, cursor) of every sensor."""
    return {
        (one.instigator_name, one.origin.location_name): (
            one.status.name,
            str(getattr(one.instigator_data, "cursor", None) or ""),
        )
        for one in instance.all_instigator_state()
    }


def tick(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition, location: str, now: float, seen: float = 0.0
) -> tuple[str, str]:
    """As the daemon: the state is marked, the sensor is called and its cursor is kept.

    Args:
        now: when the tick begins.
        seen: when the last one ended; 0 without one.

    Returns:
        What the tick says and its new cursor.
    """
    before = state_of(sensor.name, location)
    found = instance.get_instigator_state(before.instigator_origin_id, before.selector_id)
    state = found or keep(instance, sensor.name, location, switch="DECLARED_IN_CODE")
    old: Any = state.instigator_data
    instance.update_instigator_state(state.with_data(old._replace(last_tick_start_timestamp=now)))
    context = dg.SensorEvaluationContext(
        instance_ref=None,
        instance=instance,
        cursor=old.cursor,
        last_tick_completion_time=seen or None,
        repository_name="__repository__",
        sensor_name=sensor.name,
        code_location_origin=location_of(location),
    )
    done: Any = sensor(context)
    said = done if isinstance(done, dg.SkipReason) else done.skip_reason
    cursor = getattr(done, "cursor", None)
    found = instance.get_instigator_state(before.instigator_origin_id, before.selector_id)
    assert found is not None
    data: Any = found.instigator_data
    instance.update_instigator_state(found.with_data(data._replace(cursor=cursor)))
    return said.skip_message if said else "", cursor or ""
