"""Takes what a person types for a path: the one door for every setting that is one.

A setting says by its type that it is a path: ``root: Annotated[str, AsPath()]``. From then on its value is
absolute and without links, wherever it goes. What is relative counts from the directory that the command was
typed in. A server, a sensor or a crontab has no such directory, and refuses it.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from blut_assets.datasets import Dataset, DatasetError, Datasets
from blut_resources.files.here import here
from blut_resources.instance.home import find_home
from blut_resources.store.artifacts import ArtifactStore

DATA = "data://"
SERVERS = ("api", "code-server")
"""Commands of Dagster's whose working directory is that of whoever started the server."""

_typed_in: ContextVar[Path | None] = ContextVar("_typed_in")


@contextmanager
def typed_in(directory: Path | None) -> Iterator[None]:
    """Let relative paths count from a directory; with None they are refused."""
    token = _typed_in.set(directory)
    try:
        yield
    finally:
        _typed_in.reset(token)


@dataclass(frozen=True)
class AsPath:
    """Marks a setting as a path; of a list or an object, each member is one.

    An empty text stays empty. ``data://NAME`` becomes the path of the dataset, ``~`` the home directory.

    Attributes:
        besides: how values begin that are not paths, such as ``sample:``; they stay as they are.
        part: whether the source that is told of it digests only a part of what is there.
    """

    besides: tuple[str, ...] = ()
    part: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Returns the schema of the setting, which resolves its value when that is otherwise valid."""
        return core_schema.no_info_after_validator_function(self.resolved, handler(source))

    def resolved(self, value: Any) -> Any:
        """Returns the value with each path in it absolute and without links.

        Raises:
            ValueError: a path is relative and nobody typed it in a directory, or it leads nowhere.
        """
        return _each(value, lambda text: self._taken(text, Path.resolve))

    def absolute(self, value: Any) -> Any:
        """Returns the value with each path in it absolute; a link stays one, and so does ``data://NAME``.

        For what is kept: where they lead may be another place tomorrow.

        Raises:
            ValueError: as `resolved`.
        """
        return _each(value, lambda text: text if text.startswith(DATA) else self._taken(text, _tidied))

    def _taken(self, text: str, finished: Callable[[Path], Path]) -> str:
        if not text or text.startswith(self.besides):
            return text
        if text.startswith(DATA):
            text = dataset_path(text.removeprefix(DATA))
        try:
            path = Path(text).expanduser()
            return str(finished(path if path.is_absolute() else _directory(path) / path))
        except (RuntimeError, OSError) as error:  # a link to itself, or nobody of that name
            raise ValueError(f"leads nowhere: {error}; give the path of what is there") from None


def absolute_paths(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values of a form with every path made absolute, and all else as it is.

    Raises:
        ValueError: as `AsPath.resolved`.
    """
    changed: dict[str, Any] = {}
    for name, (mark, value) in _marked(model, values).items():
        try:
            changed[name] = mark.absolute(value)
        except ValueError as error:
            raise ValueError(f"{name} = {value!r}: {error}") from None
    return {**values, **changed}


def refuse_missing(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Find out now that there is nothing where a path of a form leads.

    Raises:
        ValueError: naming the field and the path.
    """

    def look(name: str, text: str, mark: AsPath) -> str:
        if text and not text.startswith(mark.besides) and not Path(mark.resolved(text)).exists():
            raise ValueError(f"{name} = {text!r}: no such file or directory; give the path of what is there")
        return text

    for name, (mark, value) in _marked(model, values).items():
        _each(value, lambda text, name=name, mark=mark: look(name, text, mark))


def dataset_path(name: str) -> str:
    """Returns where the dataset of that name is.

    Raises:
        ValueError: there is none, and which there are.
    """
    try:
        return Datasets(find_home()).get(name).path
    except DatasetError as error:
        raise ValueError(str(error)) from None


def with_datasets(value: Any) -> Any:
    """Returns a value with the path of a dataset in place of each ``data://NAME`` in it.

    Raises:
        ValueError: there is no dataset of a name, and which there are.
    """
    return _each(value, _with_dataset)


def _with_dataset(text: str) -> str:
    return dataset_path(text.removeprefix(DATA)) if text.startswith(DATA) else text


def drifted(home: Path, store: ArtifactStore, config: BaseModel, digest: str) -> list[str]:
    """Says which datasets, among the paths of a config, are not any more what they were when they were added.

    Args:
        digest: of what a source made of its config; only bytes that stay where they are can be compared.
    """
    paths = _paths_in(config) if store.record_path(digest, external=True).exists() else []
    with suppress(DatasetError):  # a bad record is for `blut data` to complain of
        return _drifted(Datasets(home).all() if paths else (), paths, digest)
    return []


def _drifted(datasets: Iterable[Dataset], paths: Collection[str], digest: str) -> list[str]:
    return [
        f"the dataset {one.name} has changed since it was added: its digest was {one.digest[:12]} and is"
        f" {digest[:12]}; `blut data add {one.name} {one.path} --replace` takes it as it is"
        for one in datasets
        if one.path in paths and one.digest != digest
    ]


def _paths_in(config: BaseModel) -> list[str]:
    """Returns the settings that are one path each, of which all is digested."""
    values = {name: getattr(config, name) for name in type(config).model_fields}
    marked = _marked(type(config), values).values()
    return [value for mark, value in marked if isinstance(value, str) and value and not mark.part]


def _marked(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, tuple[AsPath, Any]]:
    return {
        name: (mark, values[name])
        for name, info in model.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, AsPath) and name in values
    }


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each(one, change) for one in value]
    if isinstance(value, Mapping):
        return {name: _each(one, change) for name, one in value.items()}
    return value


def _directory(path: Path) -> Path:
    """Returns the directory that a relative path counts from."""
    served = len(sys.argv) > 1 and sys.argv[1] in SERVERS
    if found := _typed_in.get(None if served else here()):
        return found
    raise ValueError(
        f"is relative, and was typed in no directory: give the whole path, such as {here() / path}"
    )


def _tidied(path: Path) -> Path:
    """Returns the path without ``..``: as it is written, where that leads to the same place."""
    plain = Path(os.path.normpath(path))
    return plain if plain.resolve() == path.resolve() else path.resolve()
