"""Reads the policy file strictly, edits it without losing a comment,
and replaces it whole and under a lock.

It holds one policy, its fields at the top, or several, each in a table ``[policies.NAME]``.
"""

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from blut_resources.files.documents import DocumentError, read_toml
from blut_resources.files.durable import file_lock, write_atomic
from blut_resources.files.named import base_directory, path_variable
from blut_resources.files.private import NotBelieved, open_believed
from blut_resources.files.toml_places import line_of, place
from blut_resources.text import meant, one_line, said_of
from sensors.policy.fields import OLD_NAME, Policy

VARIABLE = "BLUT_TRAIN_POLICY"
ONLY = "default"
"""The name of a policy that is the only one in its file."""
TABLE = "policies"


class PolicyError(ValueError):
    """Says that the file holds nothing that can be acted on; one line per problem: field, value, remedy."""


@dataclass(frozen=True)
class PolicyFile:
    """Says what a file holds; no policies if there is no file.

    ``written`` is when it was changed last, ``notes`` what is to be said of it, a line each.
    """

    path: Path
    policies: Mapping[str, Policy] = field(default_factory=dict)
    written: dt.datetime | None = None
    notes: tuple[str, ...] = ()


def policy_path() -> Path:
    """Returns $BLUT_TRAIN_POLICY, else ``~/.config/blut/train-policy.toml`` (or in $XDG_CONFIG_HOME)."""
    return (
        path_variable(VARIABLE) or base_directory("XDG_CONFIG_HOME", ".config") / "blut" / "train-policy.toml"
    )


def read(path: Path) -> PolicyFile:
    """Returns every policy in a file.

    Raises:
        PolicyError: if anything in it is wrong, or others can write it; then none of it holds.
    """
    try:
        with open_believed(path, f"chmod 600 {path}, or write one of your own") as file:
            written = dt.datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, dt.UTC)
            text = file.read().decode()
    except FileNotFoundError:
        return PolicyFile(path)
    except NotBelieved as error:
        raise PolicyError(str(error)) from error
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}; make it a readable text file") from error
    return PolicyFile(path, parse(text, path), written, tuple(_notes(text, path)))


def _notes(text: str, path: Path) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*{OLD_NAME}\s*=", line):
            yield f"{path}:{number}: {OLD_NAME} is called start_hours now; it is read as that"


def parse(text: str, path: Path) -> dict[str, Policy]:
    """Returns the policies in the text of a file. Raises PolicyError."""
    try:
        document = read_toml(text, str(path))
    except DocumentError as error:
        raise PolicyError(f"{error}; correct that line") from error
    tables = _tables(document, path, text)
    problems: list[str] = []
    policies: dict[str, Policy] = {}
    for name, values in tables.items():
        try:
            policies[name] = Policy.model_validate(values)
        except ValidationError as error:
            where = "" if TABLE not in document else f"{TABLE}.{name}."
            table = (TABLE, name) if where else ()
            problems += [_placed(path, text, table, _explain(one, where), one) for one in error.errors()]
    if problems:
        raise PolicyError("\n".join(problems))
    return policies


def _tables(document: Mapping[str, Any], path: Path, text: str) -> dict[str, Any]:
    if TABLE not in document:
        return {ONLY: document} if document else {}
    beside = sorted(document.keys() - {TABLE})
    tables = document[TABLE]
    if beside:
        where = place(path, text, beside[:1])
        raise PolicyError(
            f"{where}: {beside[0]} = {document[beside[0]]!r} stands beside [{TABLE}.*]; move it into one of"
            " these tables"
        )
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        where = place(path, text, [TABLE])
        raise PolicyError(f"{where}: {TABLE} = {tables!r}; write one table [{TABLE}.NAME] for each policy")
    return tables


def _placed(path: Path, text: str, table: tuple[str, ...], said: str, problem: Any) -> str:
    """Returns what is wrong, after the file and the line in which it stands, under the name it has there."""
    keys = (*table, *problem["loc"][:1])
    if problem["loc"][:1] == ("start_hours",) and line_of(text, keys) == line_of(text, table):
        keys, said = (*table, OLD_NAME), said.replace("start_hours", OLD_NAME, 1)
    return f"{place(path, text, keys)}: {said}"


def _explain(problem: Any, where: str) -> str:
    name = ".".join(str(part) for part in problem["loc"][:1])
    message = said_of(problem)
    if problem["type"] == "extra_forbidden":
        near = meant(name, [*Policy.model_fields, *([] if where else [TABLE])])
        message = f"no such field{near}; there are {', '.join(Policy.model_fields)}"
    if not name:
        return f"{where.rstrip('.') or 'policy'}: {message}"
    meaning = Policy.model_fields[name].description if name in Policy.model_fields else ""
    value = one_line(repr(problem["input"]), 200)
    return f"{where}{name} = {value}: {message}{f' ({meaning})' if meaning else ''}"


def edit(
    path: Path,
    name: str | None,
    changes: Mapping[str, Any],
    begin: str = "",
    refuse: Callable[[Policy], str] = lambda _: "",
) -> tuple[str, Policy]:
    """Set fields of one policy, which is made if need be; comments and all else stay.

    Concurrent edits follow each other. A file that would be wrong afterwards is not written. A field that is
    a sample in a comment (``# cooldown = "7d"``) is set in its place.

    Args:
        name: of the policy; None for the only one.
        changes: field -> TOML value; None takes the field out.
        begin: what a file begins as that is not there yet.
        refuse: says why the policy that would come of it is not written; empty if it is.

    Returns:
        The policy's name and the policy as it is now.

    Raises:
        PolicyError: the file is wrong, now or with the changes, or has several policies and ``name`` is None.
    """
    import tomlkit

    path = path.resolve()  # a link to a file elsewhere stays a link
    with file_lock(path.with_name(f".{path.name}.lock")):
        before = read(path)
        text = path.read_text() if before.written else _begun(begin, name)
        if before.policies.keys() <= {ONLY}:
            text = _uncommented(text, [key for key, value in changes.items() if value is not None])
        document = tomlkit.parse(text)
        name, table = _table(document, before, name)
        if "start_hours" in changes:
            table.pop(OLD_NAME, None)
        for key, value in changes.items():
            if value is not None:
                table[key] = value
            elif key in table:
                del table[key]
        text = tomlkit.dumps(document)
        policies = parse(text, path)
        if reason := refuse(policies[name]):
            raise PolicyError(reason)
        write_atomic(path, text.encode(), mode=0o600)
    return name, policies[name]


def _begun(text: str, name: str | None) -> str:
    """Returns a new file: the fields of a policy that has a name are below a header with it."""
    import tomlkit

    return text if name in (None, ONLY) or not text else f"[{TABLE}.{tomlkit.key(name).as_string()}]\n{text}"


def _uncommented(text: str, keys: Iterable[str]) -> str:
    """Returns the text with samples in place of the comments that hold them, each to be set to its value."""
    for key in keys:
        if not re.search(rf"(?m)^{key} *=", text):
            text = re.sub(rf"(?m)^# ({key} = .*)$", r"\1", text, count=1)
    return text


def _table(document: Any, before: PolicyFile, name: str | None) -> tuple[str, Any]:
    import tomlkit

    if TABLE not in document:
        if name in (None, ONLY):
            return ONLY, document
        if before.policies:
            raise PolicyError(
                f"{before.path}: holds one policy without a name; to add {name!r}, put the lines of the first"
                f" one below a header such as [{TABLE}.first]"
            )
        document[TABLE] = tomlkit.table(is_super_table=True)
    names = list(before.policies)
    if name is None:
        if len(names) != 1:
            raise PolicyError(f"{before.path}: holds {', '.join(names) or 'nothing'}; say which one is meant")
        name = names[0]
    if name not in document[TABLE]:
        document[TABLE][name] = tomlkit.table()
    return name, document[TABLE][name]
