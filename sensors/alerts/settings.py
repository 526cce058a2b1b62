"""Reads the settings of the alert hooks: ``alerts.toml``, which names commands, webhooks and services."""

import re
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blut_resources.files.documents import DocumentError, read_toml
from blut_resources.files.named import base_directory, path_variable
from blut_resources.files.private import NotBelieved, open_believed
from blut_resources.text import one_line
from sensors.alerts.alert import EVENTS, Event

SETTINGS = "BLUT_ALERTS"
SETTINGS_BYTES = 1 << 20


class AlertSettingsError(ValueError):
    """Says that the settings cannot be used; the message names file, field, value and remedy."""


class Hook(BaseModel):
    """Says whom to tell, of what, and how: by a command, a webhook, or a service that apprise knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    on: tuple[Event, ...] = Field(EVENTS, min_length=1)
    command: tuple[str, ...] = Field((), description="program and arguments; the alert is its standard input")
    webhook: str = Field("", description="http(s) URL")
    secret_env: str = Field("", description="name of the environment variable with the secret of the webhook")
    url: str = Field("", description="URL of a service, as apprise writes it")
    url_env: str = Field("", description="name of the environment variable with that URL, if it is a secret")
    timeout_s: float = Field(10.0, gt=0, le=30)

    @model_validator(mode="after")
    def _one_way(self) -> "Hook":
        ways = [name for name in ("command", "webhook", "url", "url_env") if getattr(self, name)]
        if len(ways) != 1:
            found = " and ".join(ways) or "none"
            raise ValueError(f"give one of command, webhook, url, url_env, not {found}")
        if self.url and not re.match(r"[a-z][a-z0-9]*://.", self.url):
            raise ValueError("url must begin with a service, such as ntfy:// or slack://; see apprise's list")
        if self.webhook and urllib.parse.urlsplit(self.webhook).scheme not in ("http", "https"):
            raise ValueError("webhook must begin with https:// or http://")
        if not self.webhook.isascii() or not self.webhook.isprintable() or " " in self.webhook:
            raise ValueError("webhook holds a space, or what is not printable ASCII: write that as %XX")
        if self.webhook and not self.secret_env:
            raise ValueError("a webhook needs secret_env, the NAME of the variable that holds its secret")
        return self


class AlertSettings(BaseModel):
    """Holds the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hook: tuple[Hook, ...] = ()
    all_runs: bool = Field(False, description="tell of every run of the instance, not of Blut's alone")

    @model_validator(mode="after")
    def _names_differ(self) -> "AlertSettings":
        names = [hook.name for hook in self.hook]
        if len(set(names)) < len(names):
            raise ValueError(f"two hooks have the same name among {', '.join(names)}")
        return self


def settings_path() -> Path:
    """Returns ``$BLUT_ALERTS``, else ``alerts.toml`` in the user's configuration."""
    return path_variable(SETTINGS) or base_directory("XDG_CONFIG_HOME", ".config") / "blut" / "alerts.toml"


def usable(path: Path) -> tuple[AlertSettings, list[str]]:
    """Returns the settings with the hooks that can be used, and what is wrong with the others:
    one does not silence the rest.

    Without the file, nobody is told anything.

    Raises:
        AlertSettingsError: it is malformed, or others can write it: its commands would be theirs.
    """
    document = _document(path)
    with suppress(ValidationError):
        return AlertSettings.model_validate(document), []
    said, hooks, problems = document.get("hook"), {}, []
    all_runs = document.get("all_runs") is True
    for number, one in enumerate(said if isinstance(said, list) else [said]):
        try:
            hook = Hook.model_validate(one)
            hooks.setdefault(hook.name, hook)
        except ValidationError as error:
            problems.append(f"{path}: {_explained(error, f'hook.{number}')}")
    left = AlertSettings(hook=tuple(hooks.values()), all_runs=all_runs)
    return left, problems or [f"{path}: two hooks have the same name, or an unknown key"]


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


def _explained(error: ValidationError, hook: str) -> str:
    return "; ".join(_explain(problem, hook) for problem in error.errors())


def _explain(problem: Any, hook: str) -> str:
    where = ".".join([hook, *map(str, problem["loc"])])
    value = problem["input"]
    said = f" = {one_line(repr(value), 200)}" if isinstance(value, str | int | float) else ""
    return f"{where}{said}: {problem['msg'].removeprefix('Value error, ')}"
