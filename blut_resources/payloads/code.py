"""Loads a payload's modules from the very files that its run has hashed.

Only the standard library is imported, and little of it: this is a part of the start of every payload.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location

try:
    from _blake2 import blake2b  # hashlib loads OpenSSL, which takes longer than all of this
except ImportError:
    from hashlib import blake2b

# `typing` would double the start of a payload
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

CODE = "code.json"


def digest_bytes(data: bytes) -> str:
    """Returns 40 hex characters over the bytes of a file."""
    return blake2b(data, digest_size=20).hexdigest()


def pin(module: str, modules: Mapping[str, str], files: Mapping[str, str]) -> None:
    """See that files have the digests that were taken of them, and let modules be loaded from nothing else.

    ``modules`` maps dotted names to paths, ``files`` paths to digests. A file that is edited later does not
    reach this process: its bytes are kept.

    Raises:
        SystemExit: if a file is missing or has another digest.
    """
    names = {path: name for name, path in modules.items()}
    loaders: dict[str, _Loader] = {}
    for path, wanted in files.items():
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                stat, data = os.fstat(file.fileno()), file.read()
        except OSError as error:
            raise SystemExit(_refusal(module, names.get(path), path, f"cannot be read: {error}")) from None
        if (found := digest_bytes(data)) != wanted:
            what = f"has digest {found}, and its code version was made from {wanted}"
            raise SystemExit(_refusal(module, names.get(path), path, what))
        if name := names.get(path):
            loaders[name] = _Loader(name, path, data, stat)
    sys.meta_path.insert(0, _Finder(loaders))


UNCOUNTED = "uncounted"
OPENING = ("open", "sqlite3.connect", "ctypes.dlopen")
_uncounted: list[str] = []
_tell: list[Callable[[str], None]] = []


def watch(roots: Sequence[str], counted: Sequence[str]) -> None:
    """Notice from now on when a file below ``roots`` is read that is none of ``counted``.

    What a library opens without Python, or another program that is started, is not seen.
    """
    known, places = {*counted}, tuple(f"{root}{os.sep}" for root in roots)

    def see(event: str, args: tuple[object, ...]) -> None:
        if event in OPENING and (path := _read_below(places, args)) and path not in known:
            known.add(path)
            _uncounted.append(path)
            for tell in _tell:
                tell(path)

    if places:
        sys.addaudithook(see)


def _read_below(places: tuple[str, ...], args: tuple[object, ...]) -> str | None:
    """Returns the path of a file that is opened to be read; of byte code, the source."""
    name, flags = args[0], args[-1]
    if not isinstance(name, (str, bytes, os.PathLike)) or (isinstance(flags, int) and flags & os.O_WRONLY):
        return None
    path = os.path.abspath(os.fsdecode(name))  # noqa: PTH100
    if not path.startswith(places):
        return None
    directory, _, file = path.rpartition(os.sep)
    if directory.endswith("__pycache__"):
        if not file.endswith(".pyc"):
            return None  # what a compiler keeps of modules that are counted
        path = os.path.join(os.path.dirname(directory), f"{file.partition('.')[0]}.py")  # noqa: PTH118, PTH120
    return path if os.path.isfile(path) else None  # noqa: PTH113


def heard() -> bool:
    """Says whether somebody is told of such files."""
    return bool(_tell)


def tell_uncounted(tell: Callable[[str], None], own: Sequence[str]) -> None:
    """Be told of every such file, those before included, but for what lies below ``own``: it is an input."""
    places = tuple(f"{os.path.abspath(path)}{os.sep}" for path in own)  # noqa: PTH100

    def tell_others(path: str) -> None:
        if not f"{path}{os.sep}".startswith(places):
            tell(path)

    _tell.append(tell_others)
    for path in _uncounted:
        tell_others(path)


def _refusal(module: str, name: str | None, path: str, what: str) -> str:
    return (
        f"{module} was not started: what would run is not what was hashed. {name or 'its data'} ({path})"
        f" {what}. It was changed while the run was starting: run it again, which takes what it says then."
    )


class _Finder:
    """Finds the modules that were hashed, wherever else there are some of these names."""

    def __init__(self, loaders: Mapping[str, _Loader]) -> None:
        self._loaders = loaders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        loader = self._loaders.get(name)
        return loader and spec_from_file_location(name, loader.path, loader=loader)


class _Loader(SourceFileLoader):
    """Loads a module from bytes that were read and found right.

    Byte code counts as made from them only if it is younger than the last change of the file: Python itself
    looks at whole seconds and the size, and would take that of an edit made within one second.
    """

    def __init__(self, name: str, path: str, data: bytes, stat: os.stat_result) -> None:
        super().__init__(name, path)
        self._data, self._stat = data, stat

    def path_stats(self, path: str) -> Mapping[str, float]:
        now, then = os.stat(path), self._stat  # noqa: PTH116
        if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
            then.st_size,
            then.st_mtime_ns,
            then.st_ctime_ns,
        ):
            raise FileNotFoundError(f"{path} has been edited: there is no byte code of what was read")
        return {"mtime": then.st_mtime, "size": then.st_size}

    def get_data(self, path: str) -> bytes:
        if path == self.path:
            return self._data
        if os.stat(path).st_mtime_ns <= self._stat.st_ctime_ns:  # noqa: PTH116
            raise FileNotFoundError(f"{path} is not known to be made from {self.path} as it is")
        return super().get_data(path)
