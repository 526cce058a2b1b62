"""Describes the graph to a stranger: what an asset leaves, and what each of its fields means.

Fields are documented in the class docstring, under ``Attributes:``, because a docstring is not a part of any
code version: a better word about a field must not retrain a codec.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel

from blut_assets.artifacts import Artifact

HEADING = "Attributes:"
FIELDS = "fields"
"""Metadata of an asset: the fields of what it leaves. Dagster shows columns of a table above all metadata."""


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Returns what each field means:
    its description, else what the docstrings of the class and its bases say.
    """
    said: dict[str, str] = {}
    for base in reversed(model.__mro__):
        said |= dict(_attributes(inspect.cleandoc(base.__dict__.get("__doc__") or "")))
    fields = model.model_fields.items()
    return {name: info.description or said.get(name, "") for name, info in fields}


def _attributes(doc: str) -> Iterator[tuple[str, str]]:
    """Yields names and texts under ``Attributes:``; a line indented deeper goes on with the one before."""
    _, found, listed = doc.partition(f"\n{HEADING}\n")
    name, words = "", [""]
    for line in listed.splitlines() if found else ():
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            break
        if indent == 4:
            if name:
                yield name, " ".join(words)
            name, _, text = line.strip().partition(": ")
            words = [text]
        elif line.strip():
            words.append(line.strip())
    if name:
        yield name, " ".join(words)


def summary(model: type[BaseModel]) -> str:
    """Returns the docstring without its list of fields."""
    return inspect.cleandoc(model.__doc__ or "").partition(HEADING)[0].strip()


@functools.cache
def columns(artifact: type[Artifact]) -> dg.TableSchema:
    """Returns the fields of an artifact with their types and meanings, as a table's columns."""
    known = meanings(artifact)
    fields = {name: info for name, info in artifact.model_fields.items() if name != "digest"}
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                _type(info.annotation),
                description=known[name] or None,
                constraints=dg.TableColumnConstraints(nullable=_optional(info.annotation)),
            )
            for name, info in fields.items()
        ]
    )


def _type(annotation: Any) -> str:
    parts = [one for one in _parts(annotation) if one is not types.NoneType]
    return " | ".join(getattr(one, "__name__", str(one)) for one in parts)


def _optional(annotation: Any) -> bool:
    return types.NoneType in _parts(annotation)


def _parts(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def description(function: Callable[..., Any], artifact: type[Artifact]) -> str:
    """Returns what the asset function does, and what it leaves, as markdown."""
    return f"{inspect.getdoc(function) or ''}\n\n**Leaves** `{artifact.kind}`: {summary(artifact)}".strip()
