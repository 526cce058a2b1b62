"""Notes what was computed beside the bytes,
so that a history that knows nothing of it need not compute it.

::

    results/ab/<fingerprint>/<digest>.json     one result: asset, run, who, where, and its materialization
    results/ab/<fingerprint>/<digest>.epochs   the metrics of its epochs, one JSON object a line

A note is written when the bytes are in the store, and goes with them. It is never believed without them, nor
where somebody could have written it whom neither this user nor the group of the store has let in.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_resources.files.durable import explained, write_atomic
from blut_resources.files.foreign import read_regular
from blut_resources.files.private import user_name
from blut_resources.store.places import is_digest
from blut_resources.text import one_line

FINGERPRINT_TAG = "blut/fingerprint"
SPEC = "blut/spec"
"""The metadata that says of what a result was computed; every stage asset's materialization has it."""
RESULTS, SCHEMA = "results", "blut.result.v1"
_FINGERPRINT = re.compile(r"[0-9a-f]{16,64}")


EPOCHS = ".epochs"
EPOCHS_MAX = 8 << 20
"""Bytes of the metrics that are kept beside a result; a longer table is its run's alone."""


class MadeBy(NamedTuple):
    """Says where and by whom something was computed: the home of the history, the machine, the user."""

    home: str = ""
    host: str = ""
    user: str = ""

    def words(self) -> str:
        """Returns text such as ``ann@box in /home/ann/blut``; empty where an older version noted none."""
        return f"{self.user}@{self.host} in {self.home}" if self.home else ""


def made_here(home: Path) -> MadeBy:
    """Returns what this process says of itself, which works for the history in ``home``."""
    return MadeBy(str(home), os.uname().nodename, user_name(os.geteuid()))


class Result(NamedTuple):
    """Describes a stored result; ``at`` is in seconds since 1970."""

    digest: str
    run_id: str
    at: float
    event: dg.AssetMaterialization
    made: MadeBy = MadeBy()


def note(root: Path, result: Result, epochs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Keep a result with the store in ``root``, and the metrics of its epochs.

    The note itself is not flushed to the disk: what it says is also in the history of the run, which is. If a
    power cut takes it, another history computes this once.

    Raises:
        StoreError: it cannot be written.
    """
    fingerprint = (result.event.tags or {})[FINGERPRINT_TAG]
    rows = b"".join(json.dumps(row, default=str).encode() + b"\n" for row in epochs)
    if 0 < len(rows) <= EPOCHS_MAX:
        write_atomic(place_of(root, fingerprint) / f"{result.digest}{EPOCHS}", rows)
    said = {
        "schema": SCHEMA,
        "asset": result.event.asset_key.to_user_string(),
        "digest": result.digest,
        "run": result.run_id,
        "at": result.at,
        **result.made._asdict(),
        "event": json.loads(dg.serialize_value(result.event)),
    }
    path = place_of(root, fingerprint) / f"{result.digest}.json"
    write_atomic(path, json.dumps(said).encode(), durable=False)


def find(root: Path, fingerprint: str) -> list[Result]:
    """Returns the results with this fingerprint, the newest first; what cannot be read is none."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        return []
    found = [_read(path) for path in place_of(root, fingerprint).glob("[!.]*.json")]
    same = [one for one in found if one and (one.event.tags or {}).get(FINGERPRINT_TAG) == fingerprint]
    return sorted(same, key=lambda one: one.at, reverse=True)


def digests(root: Path, fingerprint: str) -> list[str]:
    """Returns the digests of the results with this fingerprint, the newest first; no note is read."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        return []
    found = [path for path in place_of(root, fingerprint).glob("[!.]*.json") if is_digest(path.stem)]
    believed = [path for path in found if _believed(path)]
    return [path.stem for path in sorted(believed, key=lambda path: path.stat().st_mtime, reverse=True)]


def epochs(root: Path, fingerprint: str, digest: str) -> list[dict[str, Any]]:
    """Returns the metrics of the epochs of a result, the oldest first; none where there are none here."""
    path = place_of(root, fingerprint) / f"{digest}{EPOCHS}"
    if not (_FINGERPRINT.fullmatch(fingerprint) and is_digest(digest)) or not _believed(path):
        return []
    with contextlib.suppress(OSError, ValueError):
        found = [json.loads(line) for line in read_regular(path, EPOCHS_MAX).splitlines()]
        return [row for row in found if isinstance(row, dict) and "epoch" in row]
    return []


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
                path.with_suffix(EPOCHS).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there is another one
                path.parent.rmdir()


def place_of(root: Path, fingerprint: str) -> Path:
    """Returns the directory of the notes of a fingerprint, in the store in ``root``."""
    return root / RESULTS / fingerprint[:2] / fingerprint


def _read(path: Path) -> Result | None:
    """Returns a note; None where it is torn, of another version, or not what its name says."""
    if not _believed(path):
        return None
    with contextlib.suppress(OSError):
        return parsed(path.read_bytes(), path.stem)
    return None


def parsed(data: bytes, digest: str) -> Result | None:
    """Returns what a note says of the result with a digest; None where it is torn, or of another one."""
    try:
        said: Any = json.loads(data)
        if said["schema"] != SCHEMA or said["digest"] != digest or not is_digest(digest):
            return None
        event = dg.deserialize_value(json.dumps(said["event"]), dg.AssetMaterialization)
        made = MadeBy(*(one_line(said.get(name, "")) for name in MadeBy._fields))
        return Result(digest, str(said["run"]), float(said["at"]), event, made)
    except Exception:  # whatever a damaged or foreign note does to its reader, it only costs a computation
        return None


def _believed(path: Path) -> bool:
    """Says whether nobody can have written a note but this user, root, and whoever a group's store is for.

    Whoever can write what its bytes are named by can have another result taken for it; their digest tells
    only that they are whole.
    """
    try:
        found = path.lstat()
        around = [found, *(one.stat() for one in path.parents[:4])]
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    return found.st_uid in (os.geteuid(), 0) or not any(one.st_mode & stat.S_IWOTH for one in around)
