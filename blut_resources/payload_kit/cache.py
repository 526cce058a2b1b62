"""Builds what is built once and used by all: whole or not at all, by one process while the others wait.

What belongs to a user lives below ``${XDG_CACHE_HOME:-~/.cache}/blut`` and may be deleted at any time: it is
built again. A finished directory carries a marker with what it was made of and the sizes of its files;
without it, it is not finished.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.files.durable import file_lock
from blut_resources.files.modes import make_private
from blut_resources.files.named import base_directory
from blut_resources.payload_kit.pinned import BuildError, Package, fetch

MARKER = "built.json"


def cache_root() -> Path:
    """Returns ``${XDG_CACHE_HOME:-~/.cache}/blut``; a relative ``XDG_CACHE_HOME`` counts as none."""
    return base_directory("XDG_CACHE_HOME", ".cache") / "blut"


def ensure_package(package: Package) -> Path:
    """Returns the package file in the user's cache, fetched if need be.

    Raises:
        BuildError: it is not to be had.
    """
    return fetch(package, cache_root() / "downloads")


def is_built(dest: Path, wanted: Mapping[str, Any], marker: str = MARKER) -> bool:
    """Returns whether ``dest`` was finished from exactly ``wanted``, and its files have the sizes of then."""
    known = _known(dest, marker)
    if known is None or known.get("of") != dict(wanted):
        return False
    found = _sizes(dest, marker)
    return all(found.get(name) == size for name, size in known["files"].items())


def ensure_built(
    dest: Path, wanted: Mapping[str, Any], build: Callable[[Path], None], marker: str = MARKER
) -> Path:
    """Returns ``dest``, made by ``build(directory)`` if need be; whole, and once for concurrent callers.

    Args:
        wanted: what it is to be made of, as JSON values; another build is replaced.
        marker: name of the file that says so.

    Raises:
        BuildError: ``dest`` holds something that was not built here.
    """
    if is_built(dest, wanted, marker):
        return dest
    make_private(dest.parent)
    with file_lock(dest.parent / f".{dest.name}.lock"):
        if not is_built(dest, wanted, marker):
            _refuse_foreign(dest, marker)
            _replace(dest, wanted, build, marker)
    return dest


def _replace(dest: Path, wanted: Mapping[str, Any], build: Callable[[Path], None], marker: str) -> None:
    prefix = f".{dest.name}-building-"
    for leftover in dest.parent.glob(f"{prefix}*"):
        # the lock is held, so it belongs to a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=prefix, dir=dest.parent))
    try:
        build(building)
        made = {"of": dict(wanted), "files": _sizes(building, marker)}
        (building / marker).write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        building.chmod(0o755)
        if dest.exists():
            shutil.rmtree(dest)
        building.rename(dest)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _refuse_foreign(dest: Path, marker: str) -> None:
    """Refuse to replace a file that was not written here; an older or damaged build may go."""
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return
    known = _known(dest, marker)
    if known is None:
        raise BuildError(f"{dest}: already exists and was not built here; move it away and run again")
    if foreign := sorted(_sizes(dest, marker).keys() - known["files"].keys()):
        raise BuildError(f"{dest}: must be built anew, but {foreign[0]} is not part of it; move it elsewhere")


def _known(dest: Path, marker: str) -> dict[str, Any] | None:
    """Returns what the marker says; None if there is none that can be read."""
    try:
        found = json.loads((dest / marker).read_text())
        return found if isinstance(found["files"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sizes(folder: Path, marker: str) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != marker)
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in files
        if "__pycache__" not in path.parts
    }
