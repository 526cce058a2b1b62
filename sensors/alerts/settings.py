"""Reads the settings of the alert hooks: ``alerts.toml``, with commands, webhooks, files and services."""

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blut_resources.files.named import base_directory, path_variable
from blut_resources.files.settings_file import read_settings
from blut_resources.files.toml_places import line_of
from blut_resources.text import meant, one_line, said_of
from sensors.alerts.alert import EVENTS, Event

SETTINGS = "BLUT_ALERTS"
SETTINGS_BYTES = 1 << 20
WAYS = ("command", "webhook", "file", "url", "url_env")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://[^\s'\"]+")


class AlertSettingsError(ValueError):
    """Says that the settings cannot be used; the message names file, line, field, value and remedy."""


class HookProblem(NamedTuple):
    """Says in a line what is wrong; ``hook`` is the name of the hook that it is wrong in, empty for none."""

    text: str
    hook: str = ""
    line: int = 0

    def __str__(self) -> str:
        return self.text


def masked(text: str) -> str:
    """Returns a text in which of every URL only the service is left: the rest may be a token."""
    return _URL.sub(r"\1://***", text)


class Hook(BaseModel):
    """Says whom to tell, of what, and how: by a command, webhook, file, or a service that apprise knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    on: tuple[Event, ...] = Field(EVENTS, min_length=1)
    recipes: tuple[str, ...] = Field(
        (), description="only of these recipes, jobs or policies; of all if empty"
    )
    not_recipes: tuple[str, ...] = Field((), description="of none of these")
    command: tuple[str, ...] = Field((), description="program and arguments; the alert is its standard input")
    webhook: str = Field("", description="http(s) URL")
    secret_env: str = Field("", description="name of the environment variable with the secret of the webhook")
    file: str = Field("", description="absolute path, to which a line of JSON is appended")
    url: str = Field("", description="URL of a service, as apprise writes it")
    url_env: str = Field("", description="name of the environment variable with that URL, if it is a secret")
    timeout_s: float = Field(10.0, gt=0, le=30)

    @model_validator(mode="after")
    def _one_way(self) -> "Hook":
        ways = [name for name in WAYS if getattr(self, name)]
        if len(ways) != 1:
            found = " and ".join(ways) or "none"
            raise ValueError(f"give one of {', '.join(WAYS)}, not {found}")
        if self.file and not Path(self.file).expanduser().is_absolute():
            raise ValueError(
                "file must be an absolute path: the daemon and commands work in other directories"
            )
        if self.url and not re.match(r"[a-z][a-z0-9]*://.", self.url):
            raise ValueError("url must begin with a service, such as ntfy:// or slack://; see apprise's list")
        if self.webhook and urllib.parse.urlsplit(self.webhook).scheme not in ("http", "https"):
            raise ValueError("webhook must begin with https:// or http://")
        if not self.webhook.isascii() or not self.webhook.isprintable() or " " in self.webhook:
            raise ValueError("webhook holds a space, or what is not printable ASCII: write that as %XX")
        if self.webhook and not self.secret_env:
            raise ValueError("a webhook needs secret_env, the NAME of the variable that holds its secret")
        return self

    def concerns(self, job: str) -> bool:
        """Says whether this hook is told of a job, a recipe or a policy of that name."""
        return job not in self.not_recipes and (not self.recipes or job in self.recipes)

    @property
    def way(self) -> str:
        """Returns in words how it is told, without what may be a secret."""
        if self.command:
            return f"command {self.command[0]}"
        if self.webhook:
            return f"webhook {masked(self.webhook)}"
        if self.file:
            return f"file {self.file}"
        return f"url_env ${self.url_env}" if self.url_env else f"url {masked(self.url)}"


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


def usable(path: Path) -> tuple[AlertSettings, list[HookProblem]]:
    """Returns the settings with the hooks that can be used, and what is wrong with the rest, in the order
    of the lines: one hook does not silence the others.

    Without the file, nobody is told anything.

    Raises:
        AlertSettingsError: it is malformed, or others can write it: its commands would be theirs.
    """
    text, document = read_settings(path, SETTINGS_BYTES, AlertSettingsError)
    problems = [
        _problem(path, text, (name,), "", f"{one_line(name, 100)}{_unknown(document, name, _TOP)}")
        for name in document
        if name not in _TOP
    ]
    with suppress(ValidationError):
        return AlertSettings.model_validate({k: v for k, v in document.items() if k in _TOP}), problems
    if "all_runs" in document and not isinstance(document["all_runs"], bool):
        said = f"all_runs = {document['all_runs']!r}: give true or false"
        problems.append(_problem(path, text, ("all_runs",), "", said))
    hooks, wrong = _hooks(path, text, document.get("hook", []))
    return AlertSettings(hook=hooks, all_runs=document.get("all_runs") is True), sorted(
        [*problems, *wrong], key=lambda one: one.line
    )


def _hooks(path: Path, text: str, said: Any) -> tuple[tuple[Hook, ...], list[HookProblem]]:
    if not isinstance(said, list):
        words = f"hook = {_shown(said)}: write [[hook]], a table for each hook"
        return (), [_problem(path, text, ("hook",), "", words)]
    hooks: dict[str, Hook] = {}
    problems: list[HookProblem] = []
    for number, one in enumerate(said):
        try:
            hook = Hook.model_validate(one)
        except ValidationError as error:
            problems += _explained(path, text, number, one, error)
            continue
        if hook.name in hooks:
            words = f"hook {hook.name!r}: the name of another hook before it"
            problems.append(_problem(path, text, ("hook", number, "name"), hook.name, words))
        hooks.setdefault(hook.name, hook)
    return tuple(hooks.values()), problems


_TOP = tuple(AlertSettings.model_fields)


def _problem(path: Path, text: str, keys: tuple[str | int, ...], hook: str, said: str) -> HookProblem:
    line = line_of(text, keys)
    return HookProblem(f"{path}:{line}: {said}" if line else f"{path}: {said}", hook, line or 0)


def _unknown(values: Mapping[str, Any], name: str, known: Iterable[str]) -> str:
    value = f" = {_shown(values[name])}" if isinstance(values.get(name), str | int | float) else ""
    return f"{value}: no such key{meant(name, known)}; there are {', '.join(known)}"


def _explained(
    path: Path, text: str, number: int, hook: Any, error: ValidationError
) -> Iterator[HookProblem]:
    """Yields what is wrong in one hook, a value once: of a list, its members and not also their number."""
    problems = error.errors()
    lists = {problem["loc"][0] for problem in problems if len(problem["loc"]) > 1}
    name = hook.get("name") if isinstance(hook, dict) else None
    name = name if isinstance(name, str) else ""
    about = f"hook {one_line(repr(name), 100)}" if name else f"the hook without a name, number {number + 1}"
    for problem in problems:
        if problem["loc"] and problem["loc"][0] in lists and len(problem["loc"]) == 1:
            continue
        field = str(problem["loc"][0]) if problem["loc"] else ""
        said = f"{about}: {one_line(field, 100)}" if field else about
        keys = ("hook", number, *problem["loc"])
        yield _problem(path, text, keys, name, said + _wrong(problem, hook, field))


def _wrong(problem: Any, hook: Any, field: str) -> str:
    """Returns the value and what is wrong with it."""
    kind, value = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return _unknown(hook, field, Hook.model_fields)
    if kind == "missing":
        return " is missing"
    shown = f" = {_shown(value)}" if field and isinstance(value, str | int | float | list | tuple) else ""
    if kind == "literal_error":
        near = meant(value.casefold(), EVENTS) if isinstance(value, str) else ""
        return f"{shown}: no such event{near}; there are {', '.join(EVENTS)}"
    if kind == "tuple_type":
        one = _shown(value) if isinstance(value, str) else '"..."'
        return f"{shown}: write a list, such as {field} = [{one}]"
    if kind == "too_short":
        return f"{shown}: is empty; leave it out for all"
    return f"{shown}: {said_of(problem)}"


def _shown(value: Any) -> str:
    return one_line(masked(repr(value)), 200)
