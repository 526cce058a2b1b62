"""Tell somebody: settings of the alert hooks, and one delivery to a command or a webhook.

A webhook gets the alert as JSON by POST, with ``Blut-Timestamp`` (seconds since 1970) and
``Blut-Signature: v1=HEX``: HMAC-SHA256 over ``timestamp.body`` under the secret in the environment variable
that the settings name. A receiver should compare in constant time, refuse timestamps more than `SKEW_S` from
its clock, and drop an ``id`` that it has had: a delivery may come twice. Redirects are not followed.
"""

import hashlib
import hmac
import json
import os
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from blut_resources.containment import ContainmentError, Limits, launch
from blut_resources.containment.backends.base import LOG
from blut_resources.files.documents import DocumentError, read_toml
from blut_resources.files.private import NotBelieved, open_believed
from blut_resources.text import one_line, output, variable
from blut_resources.web_call import call

SETTINGS = "BLUT_ALERTS"
SKEW_S = 300
ANSWER = 1 << 16
"""Bytes of an answer that are read: only its status counts."""
MESSAGE = 16_384
"""Bytes of a text in an alert."""
SETTINGS_BYTES = 1 << 20
TIMESTAMP, SIGNATURE = "Blut-Timestamp", "Blut-Signature"
Event = Literal["run-failed", "retrain-failed", "check-failed"]
EVENTS: tuple[Event, ...] = ("run-failed", "retrain-failed", "check-failed")


class AlertSettingsError(ValueError):
    """The settings cannot be used; the message names file, field, value and remedy."""


class NotDelivered(Exception):
    """Nobody was told; the message says why, without secrets."""


class Alert(BaseModel):
    """What happened. ``id`` is the same whenever the same thing is told again.

    Attributes:
        id: of what happened, for the receiver to know a repetition by.
        event: ``run-failed``, ``retrain-failed`` (a run that a policy started) or ``check-failed``.
        at: when, ISO 8601 with time zone.
        run: run id.
        job: its job, and so its recipe.
        message: why, in words.
        asset: the asset of a failed check; empty otherwise.
        check: its name; empty otherwise.
        tags: those of the run that are Blut's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    event: Event
    at: str
    run: str
    job: str
    message: str
    asset: str = ""
    check: str = ""
    tags: dict[str, str] = Field(default_factory=dict)

    @field_validator("job", "message", "asset", "check", mode="before")
    @classmethod
    def _harmless(cls, value: object) -> str:
        return variable(value, MESSAGE)

    @field_validator("tags", mode="before")
    @classmethod
    def _harmless_tags(cls, tags: dict[str, str]) -> dict[str, str]:
        return {one_line(name): one_line(value) for name, value in tags.items()}


class Hook(BaseModel):
    """Whom to tell, of what, and how: either a command or a webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    on: tuple[Event, ...] = Field(EVENTS, min_length=1)
    command: tuple[str, ...] = Field((), description="program and arguments; the alert is its standard input")
    webhook: str = Field("", description="http(s) URL")
    secret_env: str = Field("", description="name of the environment variable with the secret of the webhook")
    timeout_s: float = Field(10.0, gt=0, le=30)

    @model_validator(mode="after")
    def _one_way(self) -> "Hook":
        if bool(self.command) == bool(self.webhook):
            raise ValueError("give either command or webhook")
        if self.webhook and urllib.parse.urlsplit(self.webhook).scheme not in ("http", "https"):
            raise ValueError("webhook must begin with https:// or http://")
        if not self.webhook.isascii() or not self.webhook.isprintable() or " " in self.webhook:
            raise ValueError("webhook holds a space, or what is not printable ASCII: write that as %XX")
        if self.webhook and not self.secret_env:
            raise ValueError("a webhook needs secret_env, the NAME of the variable that holds its secret")
        return self


class AlertSettings(BaseModel):
    """The settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hook: tuple[Hook, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> "AlertSettings":
        names = [hook.name for hook in self.hook]
        if len(set(names)) < len(names):
            raise ValueError(f"two hooks have the same name among {', '.join(names)}")
        return self


def settings_path() -> Path:
    """``$BLUT_ALERTS``, else ``alerts.toml`` in the user's configuration."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get(SETTINGS) or config / "blut" / "alerts.toml").expanduser()


def read_settings(path: Path) -> AlertSettings:
    """The settings in a file; without the file, nobody is told anything.

    Raises:
        AlertSettingsError: it is malformed, or others can write it: its commands would be theirs.
    """
    try:
        return AlertSettings.model_validate(_document(path))
    except ValidationError as error:
        raise AlertSettingsError(f"{path}: {_explained(error)}") from None


def usable_hooks(path: Path) -> tuple[list[Hook], list[str]]:
    """The hooks of a file that can be used, and what is wrong with the others: one does not silence the rest.

    Raises:
        AlertSettingsError: nothing of it can be used.
    """
    document = _document(path)
    with suppress(ValidationError):
        return list(AlertSettings.model_validate(document).hook), []
    said, hooks, problems = document.get("hook"), {}, []
    for number, one in enumerate(said if isinstance(said, list) else [said]):
        try:
            hook = Hook.model_validate(one)
            hooks.setdefault(hook.name, hook)
        except ValidationError as error:
            problems.append(f"{path}: hook.{number}: {_explained(error)}")
    return list(hooks.values()), problems or [f"{path}: two hooks have the same name, or an unknown key"]


def _document(path: Path) -> dict[str, Any]:
    try:
        with open_believed(path, f"chmod 600 {path}, or write one of your own") as file:
            return read_toml(file.read(SETTINGS_BYTES + 1), str(path), SETTINGS_BYTES)
    except FileNotFoundError:
        return {}
    except NotBelieved as error:
        raise AlertSettingsError(str(error)) from None
    except (OSError, DocumentError) as error:
        raise AlertSettingsError(f"{error}; correct it or delete it") from None


def _explained(error: ValidationError) -> str:
    return "; ".join(map(_explain, error.errors()))


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "the file"
    value = problem["input"]
    said = f" = {one_line(repr(value), 200)}" if isinstance(value, str | int | float) else ""
    return f"{where}{said}: {problem['msg'].removeprefix('Value error, ')}"


def deliver(hook: Hook, alert: Alert) -> None:
    """Tell one hook, once.

    Raises:
        NotDelivered: the command failed, or the webhook did not answer with 2xx.
    """
    body = alert.model_dump_json().encode()
    try:
        (_run if hook.command else _post)(hook, body)
    except (OSError, ValueError, HTTPException, ContainmentError) as error:
        raise NotDelivered(f"hook {hook.name}: {type(error).__name__}: {one_line(error)}") from None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 in hex."""
    digest = hmac.new(os.fsencode(secret), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def _post(hook: Hook, body: bytes) -> None:
    secret = os.environ.get(hook.secret_env)
    if not secret:
        raise NotDelivered(f"hook {hook.name}: ${hook.secret_env} is not set where the daemon runs")
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "blut",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(secret, timestamp, body),
    }
    host = urllib.parse.urlsplit(hook.webhook).hostname  # the rest of a URL may be a secret
    try:
        call(urllib.request.Request(hook.webhook, body, headers, method="POST"), hook.timeout_s, ANSWER)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDelivered(f"hook {hook.name}: {host} answered {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise NotDelivered(f"hook {hook.name}: {host}: {one_line(reason)}") from None


def _run(hook: Hook, body: bytes) -> None:
    """In a unit, which ends with everything that was started in it, also what has left its session."""
    alert = json.loads(body)
    told = {
        f"BLUT_ALERT_{name.upper()}": variable(alert[name]) for name in ("event", "run", "job", "message")
    }
    with tempfile.TemporaryDirectory(prefix="blut-alert-") as directory:
        place, given = Path(directory, "unit"), Path(directory, "alert.json")
        given.write_bytes(body)
        command = ["/bin/sh", "-c", 'exec "$@" <"$0"', str(given), *hook.command]
        limits = Limits(backend="none", wall_clock_s=hook.timeout_s)
        env = {**os.environ, **told}
        with launch(command, env=env, limits=limits, place=place, name="alert", grace_s=0) as unit:
            outcome = unit.wait()
        if outcome.kind == "timeout":
            raise NotDelivered(f"hook {hook.name}: no end within {hook.timeout_s:g} s")
        if not outcome.ok:
            words = output(_end_of(place / LOG).decode(errors="replace")).strip()
            raise NotDelivered(f"hook {hook.name}: {outcome.describe()}: {words}")


def _end_of(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 300))
        return file.read()
