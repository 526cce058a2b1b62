"""Defines a policy as its file has it: typed, strict, and with its meaning beside every field.

Times are aware datetimes, durations timedeltas, sizes bytes.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from blut_resources.machine.amounts import parse_duration, parse_size
from sensors.policy.cadence import closest
from sensors.policy.clock import next_tick, parse_window
from sensors.policy.zones import local_zone

Window = tuple[dt.time, dt.time]
DAY = dt.timedelta(days=1)
COOLDOWN = 7 * DAY
"""Of a policy that says none, unless its schedule comes more often."""
LONGEST = 3650 * DAY
OLD_NAME = "quiet_hours"
TRIGGERS = ("new_recordings", "new_annotated", "new_rows", "new_bytes", "max_age", "schedule")


def _size(value: Any) -> int:
    return 0 if _is_zero(value) else int(_without_source(parse_size, value))


def _duration(value: Any) -> dt.timedelta:
    found = dt.timedelta() if _is_zero(value) else _without_source(parse_duration, value)
    if isinstance(found, dt.timedelta):
        return found
    if found > LONGEST.total_seconds():
        raise ValueError(f"longer than {LONGEST.days} days; leave it out, or say less")
    return dt.timedelta(seconds=found)


def _is_zero(value: Any) -> bool:
    return value in ("0", "0s", 0) and not isinstance(value, bool)


def _without_source(parse: Callable[[object], float], value: Any) -> float:
    """Returns the value; errors come with the name of a field and its value, which are added to each here."""
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(str(error).partition(": ")[2]) from None


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[dt.timedelta, BeforeValidator(_duration)]


class Policy(BaseModel):
    """Holds one policy of the file. Any one trigger that is met suffices; everything else can hold it up."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = Field(False, description="nothing retrains by itself unless this is true")
    instance: str = Field("", description="the only Dagster instance that acts on it; any if empty")
    recipe: str = Field("", description="see `blut recipe list`")
    args: dict[str, Any] = Field(default_factory=dict, description="see `blut recipe show NAME`")
    config: Annotated[list[str], BeforeValidator(_several)] = Field(
        default_factory=list,
        description="settings below the args: a file by its whole path, a name in ~/.config/blut/configs, or"
        ' "group=option"; several in a list',
    )
    partition: str = Field(
        "", description='of a recipe with partitions: a key, or "each", which has a history of its own'
    )

    new_recordings: int | None = Field(None, ge=1, description="trigger: this many new or changed files")
    new_annotated: int | None = Field(
        None, ge=1, description="trigger: this many recordings of which there are new annotations"
    )
    new_rows: int | None = Field(None, ge=1, description="trigger: this many new lines or conversations")
    new_bytes: Size | None = Field(None, gt=0, description='trigger: this much new data, such as "2G"')
    max_age: Duration | None = Field(None, description='trigger: the last success is so old, such as "30d"')
    schedule: str | None = Field(None, description='trigger: a cron expression, such as "0 3 * * 0"')

    start_hours: Annotated[Window | None, BeforeValidator(parse_window)] = Field(
        (dt.time(2), dt.time(6)), description="starts only within these; equal: never; []: at any hour"
    )
    time_zone: str = Field("", description='such as "Europe/Berlin"; the machine\'s own if empty')
    cooldown: Duration | None = Field(
        None,
        description="after a retraining that came to its end; if not given 7d, or half the time between"
        " two of the schedule",
    )
    backoff: Duration = Field(
        dt.timedelta(hours=1), description="after a failure, doubled with each in a row, at most the cooldown"
    )
    max_runs_per_day: int = Field(4, ge=1, description="in any 24 hours, failed ones too")
    memory_free: Size = Field(0, description='that must be free to start, such as "16G"')
    gpus_free: int = Field(0, ge=0, description="that must be free to start")
    gpu_memory_free: Size = Field(0, description="on each of them")

    @model_validator(mode="before")
    @classmethod
    def _under_its_name(cls, values: Any) -> Any:
        """Take the name that older files have for the hours in which a training may start."""
        if not isinstance(values, dict) or OLD_NAME not in values:
            return values
        if "start_hours" in values:
            raise ValueError(f"{OLD_NAME} is the old name of start_hours: take one of the two lines out")
        return {("start_hours" if name == OLD_NAME else name): value for name, value in values.items()}

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('no such time zone; give one like "Europe/Berlin" or "UTC"') from None
        return name

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, cron: str | None) -> str | None:
        if cron is not None:
            next_tick(cron, dt.datetime.now(dt.UTC), "UTC")
        return cron

    @field_validator("args")
    @classmethod
    def _plain_args(cls, args: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(args)
        except TypeError as error:
            raise ValueError(f"{error}; write dates and times as text in quotes") from None
        return args

    @model_validator(mode="after")
    def _complete(self) -> "Policy":
        if self.enabled and self.recipe and all(getattr(self, name) is None for name in TRIGGERS):
            raise ValueError(f"enabled, but nothing triggers it; give one of {', '.join(TRIGGERS)}")
        if self.gpu_memory_free and not self.gpus_free:
            raise ValueError("gpu_memory_free without gpus_free; say of how many GPUs, such as gpus_free = 1")
        return self

    @property
    def zone(self) -> str:
        """Returns the name of the time zone that holds for start hours and schedule."""
        return self.time_zone or local_zone()

    def rest(self, now: dt.datetime) -> dt.timedelta:
        """Returns the cooldown that holds.

        Where none is said it is less than the time between two of the schedule, with room for the training.
        """
        if self.cooldown is not None:
            return self.cooldown
        return (
            COOLDOWN
            if self.schedule is None
            else min(COOLDOWN, closest(self.schedule, self.zone, now.year) / 2)
        )
