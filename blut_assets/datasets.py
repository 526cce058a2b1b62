"""Keeps datasets that have a name on this instance:
where they are, of what kind, and what they were when added.

A record is one JSON file in ``datasets/`` of the instance directory. The bytes stay where they are; removing
a dataset forgets its name. What a kind of data is, and how to look at it, is a cookbook's to say.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.files.documents import MOST, read_json
from blut_resources.files.foreign import read_regular
from blut_resources.store.artifacts import ArtifactStore, StoreError, file_lock, write_atomic
from blut_resources.text import meant, one_line

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class DatasetError(Exception):
    """Says that a dataset is not there, not sound, or not to be had under this name; with the remedy."""


@dataclass(frozen=True)
class Inspection:
    """Says what was found in a place: the files that count, facts about them, and what is wrong with them."""

    files: Sequence[Path]
    counts: Mapping[str, int]
    problems: Sequence[str] = ()
    n_problems: int = 0


@dataclass(frozen=True)
class DataKind:
    """Describes a kind of data that a cookbook takes.

    ``inspect`` reads what is in a file or directory as the cookbook's own stages would, and raises any
    exception with a message for a person if it is nothing of this kind. ``suffixes`` are of its files.
    ``tables`` are what `blut data show` prints besides, each a list of rows under its title.
    """

    name: str
    description: str
    suffixes: tuple[str, ...]
    inspect: Callable[[Path], Inspection]
    tables: Callable[[Path], Mapping[str, Sequence[Mapping[str, Any]]]] | None = None


@dataclass(frozen=True)
class Dataset:
    """Records a dataset. ``digest`` is the data version that an asset which reads just these files has."""

    name: str
    kind: str
    path: str
    digest: str
    n_files: int
    n_bytes: int
    counts: dict[str, int] = field(default_factory=dict)
    n_problems: int = 0
    added: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Returns the record as plain values."""
        return asdict(self)


class Datasets:
    """Keeps the records of the instance in ``home``."""

    def __init__(self, home: Path) -> None:
        self._root = Path(home) / "datasets"

    def all(self) -> list[Dataset]:
        """Returns every dataset, by name."""
        return [_read(path) for path in sorted(self._root.glob("*.json"))]

    def get(self, name: str) -> Dataset:
        """Returns the dataset of that name; raises DatasetError."""
        path = self._path(name)
        if not path.exists():
            names = [one.name for one in self.all()]
            known = ", ".join(names) or "none"
            near = meant(name, names)
            raise DatasetError(
                f"no dataset is called {name!r}{near}; there are: {known}; `blut data add` adds one"
            )
        return _read(path)

    def add(self, dataset: Dataset, *, replace: bool = False) -> None:
        """Keep a record.

        Raises:
            DatasetError: the name is taken, and not to be replaced.
        """
        path = self._path(dataset.name)
        with file_lock(self._root / ".lock"):
            if path.exists() and not replace:
                taken = _read(path)
                raise DatasetError(
                    f"a dataset is called {dataset.name!r} already ({taken.path}): take another name,"
                    " or --replace it"
                )
            write_atomic(path, json.dumps(dataset.as_dict(), indent=1).encode())

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; its files stay. Raises DatasetError."""
        with file_lock(self._root / ".lock"):
            found = self.get(name)
            self._path(name).unlink()
        return found

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name) or ".." in name:
            given = f"; a path gets a name first: blut data add NAME {name}" if Path(name).exists() else ""
            raise DatasetError(
                f"name {name!r}: 1 to 64 of letters, digits, '_', '.' and '-', not beginning with '.' or '-',"
                f" without '..'{given}"
            )
        return self._root / f"{name}.json"


def _read(path: Path) -> Dataset:
    try:
        return Dataset(**read_json(read_regular(path, MOST), str(path)))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}); remove it, and add the dataset again"
        ) from error


def look_at(name: str, path: Path, kind: DataKind, store: ArtifactStore) -> tuple[Dataset, Inspection]:
    """Returns what a dataset is now. Files whose time and size are as they were are not hashed again.

    Raises:
        DatasetError: it is not there, or nothing of this kind.
    """
    path = path.expanduser().resolve()
    if not path.exists():
        raise DatasetError(f"{one_line(path)}: no such file or directory")
    try:
        found = kind.inspect(path)
        digest = store.put_reference(path, found.files if path.is_dir() else None)
    except (OSError, StoreError) as error:
        raise DatasetError(str(error)) from error
    except Exception as error:  # the cookbook's own, whose message is for a person
        raise DatasetError(f"{one_line(path)}: is no data of the kind {kind.name}: {error}") from error
    sizes = [file.stat().st_size for file in found.files]
    facts = {"n_files": len(sizes), "n_bytes": sum(sizes), "counts": dict(found.counts)}
    return (
        Dataset(name, kind.name, str(path), digest, n_problems=found.n_problems, added=time.time(), **facts),
        found,
    )


def guess(path: Path, kinds: Sequence[DataKind]) -> DataKind | None:
    """Returns the first kind that has files with the suffix of this file, or of one in this directory."""
    files = path.rglob("*") if path.is_dir() else [path]
    names = [file.name.lower() for file in files]
    return next((kind for kind in kinds if any(name.endswith(kind.suffixes) for name in names)), None)


def any_files(path: Path) -> Inspection:
    """Returns every file there is, unread."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    if not files:
        raise DatasetError("it holds no file")
    return Inspection(files, {})


FILES = DataKind("files", "Any files; nothing but their digests is known of them.", (), any_files)
