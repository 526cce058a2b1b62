"""Reads ``launchers.toml``: by which names a launcher can be asked for, and what stands behind each."""

import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from blut_resources.files.named import PathRefused, absolute_path, base_directory, path_variable
from blut_resources.files.settings_file import read_settings
from blut_resources.files.toml_places import place
from blut_resources.launchers.base import LOCAL, LauncherError
from blut_resources.machine.amounts import parse_duration, parse_size
from blut_resources.text import meant, one_line, said_of

FILE = "BLUT_LAUNCHERS"
FILE_BYTES = 1 << 20
OPTIONS = (
    *("begin", "contiguous", "core-spec", "cores-per-socket", "exclude", "exclusive", "hint"),
    *("licenses", "mail-type", "mail-user", "mem-bind", "nice", "nodelist", "oversubscribe", "power"),
    *("prefer", "priority", "reservation", "sockets-per-node", "spread-job", "switches", "threads-per-core"),
    *("tmp", "use-min-nodes", "wckey"),
)
"""Long options of sbatch that a profile may give besides its own keys: none of them changes what is run."""
OF_KIND = {
    "slurm": ("partition", "account", "qos", "gres", "time", "constraint", "options"),
    "ray": ("address", "resources"),
}
"""Keys that mean something to one kind of launcher only."""
_OPTION = re.compile(r"--([a-z][a-z-]*)(=[^\s]*)?")
_WORD = re.compile(r"[^\s=,]+")


class Profile(BaseModel):
    """Describes one launcher that a user has given a name.

    Attributes:
        gres: such as ``gpu`` or ``gpu:a100``; how many comes from the stage, unless a number is given.
        time: the longest that a job may run where nothing else limits it, such as ``8h``.
        mem: memory of a job of which nothing is known, such as ``4G``; else what the cluster gives.
        options: further options of the scheduler, of those in `OPTIONS`.
        checkout: where the nodes have the source, if not where this process has it; or a directory of copies,
            which `blut launch sync` makes.
        python: the interpreter of the nodes, if not the one of this process.
        share: the directory that this machine and the nodes see under the same name; the store is in it.
        transport: ``local`` where the scheduler's commands are installed here.
        environment: whether another Python or torch on the node is refused, or said only.
        address: of Ray: where its dashboard is, such as ``http://127.0.0.1:8265``.
        resources: of Ray: what else a node must have, by the names that its nodes were started with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["slurm", "ray", "local"]
    partition: str = ""
    account: str = ""
    qos: str = ""
    gres: str = ""
    time: str = ""
    cpus: int | None = Field(None, ge=1, le=65_536)
    mem: str = ""
    constraint: str = ""
    options: tuple[str, ...] = ()
    checkout: str = ""
    python: str = ""
    share: str = ""
    transport: str = "local"
    environment: Literal["warn", "strict"] = "warn"
    address: str = ""
    resources: dict[str, float] = {}

    @field_validator("address")
    @classmethod
    def _of_a_head(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
            raise ValueError('give the address of the dashboard, such as "http://127.0.0.1:8265"')
        return value

    @field_validator("partition", "account", "qos")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if value and not _WORD.fullmatch(value.replace(",", "")):
            raise ValueError("give a name, as the cluster has it")
        return value

    @field_validator("gres")
    @classmethod
    def _generic(cls, value: str) -> str:
        if value and not re.fullmatch(r"[\w.-]+(:[\w.-]+){0,2}", value):
            raise ValueError('give one resource, such as "gpu", "gpu:a100" or "gpu:a100:2"')
        return value

    @field_validator("time")
    @classmethod
    def _duration(cls, value: str) -> str:
        if value:
            parse_duration(value, "time")
        return value

    @field_validator("mem")
    @classmethod
    def _size(cls, value: str) -> str:
        if value:
            parse_size(value, "mem")
        return value

    @field_validator("checkout", "python", "share")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        try:
            return str(absolute_path(value, str(info.field_name))) if value else value
        except PathRefused as error:
            raise ValueError(str(error)) from None

    @field_validator("options")
    @classmethod
    def _known_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            found = _OPTION.fullmatch(option)
            if not found:
                raise ValueError(f'{option!r}: write options in full, such as "--nice=100"')
            if found[1] not in OPTIONS:
                raise ValueError(
                    f"{option!r}: not one of the options that a profile may give{meant(found[1], OPTIONS)};"
                    f" there are {', '.join(OPTIONS)}"
                )
        return value

    @field_validator("transport")
    @classmethod
    def _known_transport(cls, value: str) -> str:
        if value != "local":
            raise ValueError("only local is there: run Blut where the scheduler's commands are installed")
        return value

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind == "ray" and not self.address:
            raise ValueError(
                'address is missing; give that of its dashboard, such as "http://127.0.0.1:8265"'
            )
        for kind, names in OF_KIND.items():
            if kind != self.kind and (wrong := [name for name in names if name in self.model_fields_set]):
                raise ValueError(
                    f"{wrong[0]} is a key of kind {kind}, and its kind is {self.kind}; leave it away"
                )
        return self


def profiles_path() -> Path:
    """Returns ``$BLUT_LAUNCHERS``, else ``launchers.toml`` in the user's configuration."""
    return path_variable(FILE) or base_directory("XDG_CONFIG_HOME", ".config") / "blut" / "launchers.toml"


def profiles(path: Path) -> dict[str, Profile]:
    """Returns the profiles of a file by name; none without the file.

    A profile is a table with its name, such as ``[gpu]``.

    Raises:
        LauncherError: it is malformed, or others can write it: what it names is started.
    """
    text, document = read_settings(path, FILE_BYTES, LauncherError)
    found: dict[str, Profile] = {}
    for name, values in document.items():
        if not isinstance(values, dict):
            said = f"{one_line(name, 100)} = {one_line(repr(values), 100)}: write a table for each launcher"
            raise LauncherError(f"{place(path, text, [name])}: {said}, such as [gpu] and below it its keys")
        if name == LOCAL:
            raise LauncherError(f"{place(path, text, [name])}: [{LOCAL}] is there already; take another name")
        try:
            found[name] = Profile.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            keys = [name, *(key for key in problem["loc"] if isinstance(key, str))]
            raise LauncherError(f"{place(path, text, keys)}: {_explain(problem, name, values)}") from None
    return found


def find_profile(name: str, asked_by: str = "launcher") -> Profile | None:
    """Returns the profile of a name; None for this machine.

    Args:
        asked_by: who says the name, for the message.

    Raises:
        LauncherError: there is none of that name, or the file with the profiles is malformed.
    """
    if name == LOCAL:
        return None
    path = profiles_path()
    known = profiles(path)
    if name in known:
        found = known[name]
        return None if found.kind == LOCAL else found
    names = [LOCAL, *known]
    where = f"{path} has {', '.join(known)}" if known else f"{path} names none; see docs/slurm.md"
    raise LauncherError(
        f"{asked_by}={one_line(name, 100)}: there is no such launcher{meant(name, names)}; {where}, and"
        f" {LOCAL} is this machine"
    )


def _explain(problem: Any, name: str, values: dict[str, Any]) -> str:
    field, known = str(problem["loc"][0]) if problem["loc"] else "", Profile.model_fields
    if problem["type"] == "extra_forbidden":
        near = meant(field, known)
        return f"[{name}] {one_line(field, 100)}: no such key{near}; there are {', '.join(known)}"
    if problem["type"] == "missing":
        return f"[{name}] {field} is missing; give slurm, ray or local"
    said = said_of(problem)
    if not field or said.startswith(f"{field}="):
        return f"[{name}] {said}"
    return f"[{name}] {field} = {one_line(repr(values.get(field)), 200)}: {said}"
