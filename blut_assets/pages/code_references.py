"""Leads from an asset in the UI to its source: the stage function, and the payloads that it runs."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.versions.fingerprint import CodeVersion

CODE_REFERENCES = "dagster/code_references"


def code_references(
    function: Callable[..., Any], payloads: Sequence[str], code: CodeVersion
) -> dg.CodeReferencesMetadataValue:
    """Returns the line of a stage function, and the files of its payloads."""
    path, line = place_of(function)
    files = {file.module: str(file.path) for file in code.counted if file.module}
    with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
        own = dg.LocalFileCodeReference(file_path=path, line_number=line, label=function.__qualname__)
        known = [name for name in payloads if name in files]
        run = [dg.LocalFileCodeReference(file_path=files[name], label=name) for name in known]
        return dg.CodeReferencesMetadataValue(code_references=[own, *run])


def place_of(function: Callable[..., Any]) -> tuple[str, int]:
    """Returns the file of a function and its first line, decorators included."""
    code = inspect.unwrap(function).__code__
    return str(Path(code.co_filename).absolute()), code.co_firstlineno


def stands_at(wrapper: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Have a wrapper say that its source is where the function is that it wraps.

    Dagster's ``with_source_code_references`` looks at the code of what it calls, and never at
    ``__wrapped__``: all assets would lead to one line of the engine.
    """
    path, line = place_of(function)
    code: Any = wrapper.__code__
    wrapper.__code__ = code.replace(co_filename=path, co_firstlineno=line)
