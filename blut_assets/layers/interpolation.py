"""Replaces ``${env:NAME}`` in what a settings file says; nothing else is replaced."""

import os
import re
from collections.abc import Mapping
from typing import Any

from blut_resources.payloads.environment import SECRET

_MARK = re.compile(r"(\\?)\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"env:\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(?:,(?P<default>.*))?", re.DOTALL)
FORMS = "write ${env:NAME} or ${env:NAME,default}, or \\${ for these two characters themselves"


class NoSuchValue(ValueError):
    """Says that something in a text cannot be replaced, and what to do."""


def replaced(value: Any) -> Any:
    """Returns a value in which each text has variables of the environment in place of their names.

    ``${env:NAME,default}`` is the default where the variable is not set; ``${env:NAME,}`` is then empty. What
    comes of it is text.

    Raises:
        NoSuchValue: a variable is not set and has no default, may be a secret, or something else is named.
    """
    if isinstance(value, str):
        return _MARK.sub(_of_environment, value)
    if isinstance(value, list):
        return [replaced(one) for one in value]
    if isinstance(value, Mapping):
        return {key: replaced(one) for key, one in value.items()}
    return value


def _of_environment(mark: re.Match[str]) -> str:
    if mark[1]:
        return mark[0][1:]
    found = _VARIABLE.fullmatch(mark[2]) if mark[3] else None
    if found is None:
        name = mark[2].removeprefix("oc.").removeprefix("env:").strip()
        meant = f" (did you mean ${{env:{name}}}?)" if re.fullmatch(r"[A-Za-z_]\w*", name) else ""
        raise NoSuchValue(f"{mark[0]} cannot be replaced{meant}: {FORMS}")
    name, default = found["name"], found["default"]
    if SECRET.search(name.upper()):
        raise NoSuchValue(
            f"{mark[0]} may be a secret by its name, and args are kept in each run for all to read: leave it"
            " out, and let what needs it read the variable"
        )
    value = os.environ.get(name)
    if value is None and default is None:
        raise NoSuchValue(f"${name} is not set: set it, or give a default as ${{env:{name},default}}")
    return value if value is not None else str(default).strip()
