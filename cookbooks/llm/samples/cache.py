"""Keeps what is built once for all checkouts of a user: sample models and the llama.cpp kit.

Everything lives below ``${XDG_CACHE_HOME:-~/.cache}/blut`` and may be deleted at any time: it is built again.
A finished directory carries a marker with the sizes of its files; without it, it is not finished.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.files.durable import file_lock
from blut_resources.files.modes import make_private
from blut_resources.payload_kit.pinned import BuildError, Package, fetch

MARKER = "built.json"


def cache_root() -> Path:
    """Returns ``${XDG_CACHE_HOME:-~/.cache}/blut``; a relative ``XDG_CACHE_HOME`` counts as none."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "blut"


def is_built(dest: Path, wanted: Mapping[str, Any]) -> bool:
    """Returns True if ``dest`` was finished from exactly ``wanted`` and no file has since changed its
    size.
    """
    try:
        marker = json.loads((dest / MARKER).read_text())
    except (OSError, ValueError):
        return False
    found = _sizes(dest)
    return marker.get("of") == dict(wanted) and all(found.get(k) == v for k, v in marker["files"].items())


def ensure_built(dest: Path, wanted: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """Returns ``dest``, made by ``build(directory)`` if need be;
    whole or not at all, once for concurrent callers.

    Raises:
        BuildError: ``dest`` holds something that was not built here.
    """
    if is_built(dest, wanted):
        return dest
    make_private(dest.parent)
    with file_lock(dest.parent / f".{dest.name}.lock"):
        if not is_built(dest, wanted):
            _refuse_foreign(dest)
            _replace(dest, wanted, build)
    return dest


def _replace(dest: Path, wanted: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    prefix = f".{dest.name}-building-"
    for leftover in dest.parent.glob(f"{prefix}*"):
        # the lock is held, so it belongs to a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=prefix, dir=dest.parent))
    try:
        build(building)
        marker = {"of": dict(wanted), "files": _sizes(building)}
        (building / MARKER).write_text(json.dumps(marker, indent=1, sort_keys=True) + "\n")
        building.chmod(0o755)
        if dest.exists():
            shutil.rmtree(dest)
        building.rename(dest)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _refuse_foreign(dest: Path) -> None:
    if dest.exists() and not (dest / MARKER).is_file() and (not dest.is_dir() or any(dest.iterdir())):
        raise BuildError(f"{dest}: already exists and was not built here; move it away and run again")


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in files
        if "__pycache__" not in path.parts
    }


def ensure_package(package: Package) -> Path:
    """Returns the package file in the user's cache, fetched if need be. Raises `BuildError`."""
    return fetch(package, cache_root() / "downloads")
