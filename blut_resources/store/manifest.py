"""Reads and writes manifests and stamps: what the store knows of an artifact's files.

A manifest proves itself, because the digest of its listing is the artifact's digest. A stamp index only
saves hashing: lost or wrong in form, it is as if it were empty.
"""

import contextlib
import functools
import json
import os
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.digest import Hashed, Tree, digest_listing, list_tree, stamp_of
from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.machine.mounts import mount_of
from blut_resources.machine.processes import machine, machine_id

SCHEMA = "blut.manifest.v1"


class ManifestRecord(NamedTuple):
    """Holds a manifest with its place; ``files`` is None if the manifest is lost or does not add up."""

    path: Path
    location: Path
    external: bool
    stamps: Path
    partial: bool
    files: dict[str, Hashed] | None


def manifest(
    is_file: bool, files: dict[str, Hashed], location: Path | None = None, partial: bool = False
) -> bytes:
    """Returns the bytes of a manifest; with a location, of an external record."""
    rows = {name: [files[name].size, files[name].digest] for name in sorted(files)}
    head: dict[str, object] = {"schema": SCHEMA, "kind": "file" if is_file else "directory"}
    if location is not None:
        head |= {"location": str(location), "partial": partial, "machine": machine()}
    return json.dumps(head | {"files": rows}).encode()


def parse(data: bytes | None, digest: str) -> tuple[dict[str, Hashed] | None, bool, str | None]:
    """Returns files, partial and location of a manifest;
    the files are None unless they add up to the digest.
    """
    try:
        raw = json.loads(data or b"")
        files = {name: Hashed(size, value, None) for name, (size, value) in raw["files"].items()}
        if digest_listing(raw["kind"] == "file", files) == digest:
            return files, bool(raw.get("partial")), raw.get("location")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None, False, None


def recorded_on(record: ManifestRecord) -> str:
    """Returns the name of the other machine that recorded bytes outside the store; empty if this one did, or
    an older version, which did not say.
    """
    said = ""
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
        said = str(json.loads(read(record.path) or b"").get("machine", ""))
    name, _, number = said.rpartition("/")
    return name if number != machine_id() else ""


def check_names(record: ManifestRecord, tree: Tree) -> None:
    """Raise StoreError for the first file that is missing or does not belong."""
    if record.files is None:
        return
    for name in sorted(record.files.keys() ^ set(tree.names)):
        problem = "missing" if name in record.files else "not part of the artifact"
        raise StoreError(f"{tree.root / name}: {problem}; {_remedy(record)}")


def check_content(record: ManifestRecord, digest: str, is_file: bool, found: dict[str, Hashed]) -> None:
    """Raise StoreError for the first file that differs from the manifest."""
    if record.files is None:
        if digest_listing(is_file, found) != digest:
            problem = "the manifest is lost and the bytes are not those of the digest"
            raise StoreError(f"{record.location}: {problem}; {_remedy(record)}")
        return
    for name, hashed in found.items():
        expected = record.files[name]
        if hashed.digest != expected.digest:
            problem = f"content differs ({hashed.size} bytes, {expected.size} recorded)"
            raise StoreError(f"{record.location / name}: {problem}; {_remedy(record)}")


def _remedy(record: ManifestRecord) -> str:
    if record.external:
        return f"materialize the asset that reads {record.location} again"
    return "set the artifact aside and materialize its asset again"


def summary_sizes(record: ManifestRecord) -> list[int]:
    """Returns the size of each file, without reading any."""
    if record.files is not None:
        return [hashed.size for hashed in record.files.values()]
    tree = list_tree(record.location, "any")
    return [(tree.root / name).stat().st_size for name in tree.names]


@functools.cache
def stat_directory(root: Path) -> Path:
    """Returns where a store in ``root`` keeps stamps of files that were hashed.

    Where several machines can write, each has its own: the same file may have other numbers on each.
    """
    number = machine_id()
    return root / "stat" if not number or mount_of(root).is_local else root / "stat" / number[:12]


def load_index(path: Path) -> dict[str, Hashed]:
    """Returns the files already hashed, by name."""
    try:
        rows = json.loads(path.read_bytes())
        return {
            name: Hashed(size, digest, (size, mtime, inode, ctime))
            for name, (size, digest, mtime, inode, ctime) in rows.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def save_index(path: Path, files: dict[str, Hashed]) -> None:
    """Remember files that were hashed; a store that cannot be written goes without."""
    rows = {
        name: [hashed.size, hashed.digest, *hashed.stamp[1:]]
        for name, hashed in files.items()
        if hashed.stamp is not None
    }
    with contextlib.suppress(StoreError):
        write_atomic(path, json.dumps(rows).encode(), durable=False)


def restamped(hashed: Hashed, path: Path) -> Hashed:
    """Returns a file that was renamed since it was hashed: the rename moved its ctime and nothing else."""
    stamp = stamp_of(path.stat())
    same = hashed.stamp is not None and stamp[:3] == hashed.stamp[:3]
    return hashed._replace(stamp=stamp if same else None)


def read(path: Path) -> bytes | None:
    """Returns the bytes of a file, or None if there are none to be had."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def touch(path: Path) -> None:
    """Note that an artifact is wanted; a read-only store needs no note."""
    with contextlib.suppress(OSError):
        os.utime(path)
