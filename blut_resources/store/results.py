"""Notes what was computed beside the bytes,
so that a history that knows nothing of it need not compute it.

::

    results/ab/<fingerprint>/<digest>.json   one result: asset, run, time, and its materialization

A note is written when the bytes are in the store, and goes with them. It is never believed without them.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_resources.files.durable import explained, write_atomic
from blut_resources.store.places import is_digest

FINGERPRINT_TAG = "blut/fingerprint"
SPEC = "blut/spec"
"""The metadata that says of what a result was computed; every stage asset's materialization has it."""
RESULTS, SCHEMA = "results", "blut.result.v1"
_FINGERPRINT = re.compile(r"[0-9a-f]{16,64}")


class Result(NamedTuple):
    """Describes a stored result; ``at`` is in seconds since 1970."""

    digest: str
    run_id: str
    at: float
    event: dg.AssetMaterialization


def note(root: Path, result: Result) -> None:
    """Keep a result with the store in ``root``, durably.

    Raises:
        StoreError: it cannot be written.
    """
    fingerprint = (result.event.tags or {})[FINGERPRINT_TAG]
    said = {
        "schema": SCHEMA,
        "asset": result.event.asset_key.to_user_string(),
        "digest": result.digest,
        "run": result.run_id,
        "at": result.at,
        "event": json.loads(dg.serialize_value(result.event)),
    }
    write_atomic(_place(root, fingerprint) / f"{result.digest}.json", json.dumps(said).encode())


def find(root: Path, fingerprint: str) -> list[Result]:
    """Returns the results with this fingerprint, the newest first; what cannot be read is none."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        return []
    found = [_read(path) for path in _place(root, fingerprint).glob("[!.]*.json")]
    same = [one for one in found if one and (one.event.tags or {}).get(FINGERPRINT_TAG) == fingerprint]
    return sorted(same, key=lambda one: one.at, reverse=True)


def every(root: Path) -> Iterator[Result]:
    """Yields all results of a store, the newest first."""
    found = (_read(path) for path in (root / RESULTS).glob("??/*/[!.]*.json"))
    yield from sorted(filter(None, found), key=lambda one: one.at, reverse=True)


def drop_without_bytes(root: Path, holds: Callable[[str], bool]) -> None:
    """Remove the notes of results whose bytes are gone; ``holds`` says of a digest whether there are any."""
    for path in sorted((root / RESULTS).glob("??/*/[!.]*.json")):
        if not holds(path.stem):
            with explained(path):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there is another one
                path.parent.rmdir()


def _place(root: Path, fingerprint: str) -> Path:
    return root / RESULTS / fingerprint[:2] / fingerprint


def _read(path: Path) -> Result | None:
    """Returns a note; None where it is torn, of another version, or not what its name says."""
    try:
        said: Any = json.loads(path.read_bytes())
        if said["schema"] != SCHEMA or said["digest"] != path.stem or not is_digest(path.stem):
            return None
        event = dg.deserialize_value(json.dumps(said["event"]), dg.AssetMaterialization)
        return Result(path.stem, str(said["run"]), float(said["at"]), event)
    except Exception:  # whatever a damaged or foreign note does to its reader, it only costs a computation
        return None
