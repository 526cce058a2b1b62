"""Defines an alert: what happened, as hooks are told it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from blut_resources.text import one_line, variable

TEST: Literal["test"] = "test"
MESSAGE = 16_384
"""Bytes of a text in an alert."""
Event = Literal["run-failed", "retrain-failed", "run-deadline", "check-failed", "policy-blocked"]
EVENTS: tuple[Event, ...] = ("run-failed", "retrain-failed", "run-deadline", "check-failed", "policy-blocked")


class Alert(BaseModel):
    """Says what happened. ``id`` does not change when it is told again.

    Attributes:
        id: of what happened, for the receiver to know a repetition by.
        event: ``run-failed``, ``retrain-failed`` (a run that a policy started), ``run-deadline`` (either of
            them that ended at its deadline), ``check-failed`` or ``policy-blocked`` (a policy that cannot be
            acted on); ``test`` of `blut alerts test`.
        at: when, ISO 8601 with time zone.
        run: run id; empty for a policy.
        job: its job, and so its recipe; for a policy, its name.
        by: who started it: a person on a machine and the command, a policy, a schedule, the UI.
        message: why, in words.
        asset: the asset of a failed check; empty otherwise.
        check: its name, or those of all checks of the asset that the run failed; empty otherwise.
        tags: those of the run that are Blut's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    event: Event | Literal["test"]
    at: str
    run: str
    job: str
    message: str
    by: str = ""
    asset: str = ""
    check: str = ""
    tags: dict[str, str] = Field(default_factory=dict)

    @field_validator("job", "message", "by", "asset", "check", mode="before")
    @classmethod
    def _harmless(cls, value: object) -> str:
        return variable(value, MESSAGE)

    @field_validator("tags", mode="before")
    @classmethod
    def _harmless_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        return {one_line(name): one_line(value) for name, value in tags.items()}
