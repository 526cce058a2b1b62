"""Starts a payload that reads nothing but its inputs, with nothing of its user's settings.

``python -I -S``: no PYTHONPATH, no user site, no ``.pth``, no ``sitecustomize``. Modules come from the
standard library, from what is installed for the interpreter, and from the files that were hashed. The
environment is `VARIABLES` and paths that are made for it.
"""

import contextlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.files.digest import digest_bytes
from blut_resources.payloads.distributions import installed_places
from blut_resources.payloads.files import START, standard_library

VARIABLES = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""What an isolated process finds set, beside paths of its own; a part of its environment's digest."""
FLAGS = ("-I", "-S", "-u")
_KEPT = 32
"""Payloads and versions of them whose compiled code is kept, the newest."""


def clean_environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Returns the whole environment of an isolated process; ``home`` is a directory of its own."""
    own = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.defpath}
    return {**VARIABLES, **own, **more}


def search_path(packages: Iterable[Path], place: Path) -> list[str]:
    """Returns where an isolated payload looks for modules: what is installed, and links to these packages.

    The links are made in ``place``: a directory that a package lies in holds other things, and is not shown.
    """
    beside = place / "code"
    beside.mkdir()
    for package in packages:
        (beside / package.name).symlink_to(package.resolve())
    return [*standard_library(), *installed_places(), str(beside)]


def let(isolation: Isolation, place: Path, out: Path, inputs: Iterable[Path]) -> Isolation:
    """Returns what a payload has to open besides:
    its order, its source and its inputs, and where it writes.
    """
    told = [place / "config.json", place / "context.json", place / "code.json", place / "code", Path(START)]
    written = [place / "messages", place / "work", place / "inputs", out]
    return isolation.also(read=[*told, *inputs], write=written)


def compiled_for(kept: Path, files: Mapping[str, str]) -> Path:
    """Returns where the compiled code of one payload, made of these files, is kept: for no other one.

    What another interpreter has compiled cannot be loaded, and is kept apart.
    """
    made_of = [sys.version, _version_of("numba"), sorted(files.items())]
    return kept / digest_bytes(json.dumps(made_of).encode())[:40]


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def take_compiled(kept: Path, work: Path) -> dict[str, str]:
    """Give an isolated process the code that it compiled last time; the variable that names the place.

    It is let to read no cache that others write, and what it compiles goes to nobody but its next like.
    """
    own = work / "compiled"
    _copy_compiled(kept, own)
    return {"NUMBA_CACHE_DIR": str(own)}


def keep_compiled(work: Path, kept: Path) -> None:
    """Keep what a process has compiled beyond what is kept. A cache that cannot be kept is not a loss."""
    own = work / "compiled"
    if not own.is_dir() or _held(own) == _held(kept):
        return
    fresh, old = (kept.with_name(f"{kept.name}.{os.getpid()}.{end}") for end in ("new", "old"))
    with contextlib.suppress(OSError):
        _copy_compiled(own, fresh)
        with contextlib.suppress(FileNotFoundError):
            kept.rename(old)
        fresh.rename(kept)
        for stale in sorted(kept.parent.iterdir(), key=lambda one: -one.stat().st_mtime)[_KEPT:]:
            shutil.rmtree(stale, ignore_errors=True)
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)


def _held(folder: Path) -> dict[str, bytes]:
    """Returns the indices of compiled code: they name all of it, and what source it was made from."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.glob("*/*.nbi"))}


def _copy_compiled(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for folder in sorted(os.scandir(source), key=lambda one: one.name) if source.is_dir() else ():
        if folder.is_dir(follow_symlinks=False):
            plain_copy(Path(folder.path), target / folder.name, (".nbi", ".nbc"))


def plain_copy(source: Path, target: Path, suffix: str | tuple[str, ...]) -> Path:
    """Copy the bytes of a directory's plain files, and nothing else of them: no times, no modes, no links.

    What one process leaves for another passes through this, so that only what is measured passes.
    """
    target.mkdir()
    for entry in sorted(os.scandir(source), key=lambda one: one.name) if source.is_dir() else ():
        if entry.name.endswith(suffix) and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            shutil.copyfile(entry.path, target / entry.name, follow_symlinks=False)
    return target
