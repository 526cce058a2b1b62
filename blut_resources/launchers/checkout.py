"""Gives nodes the very source of this process: a copy under the digest of its tree, never changed afterwards.

A checkout that is updated in place changes under the jobs that run from it. So each version has a directory
of its own, which appears whole under its name or not at all.
"""

import functools
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.durable import random_name, remove_tree, sync_tree
from blut_resources.machine.environment import SOURCE

GIT_S = 120.0
PARTIAL = ".new-"
"""What the name of a copy begins with that is not whole yet."""
PACKAGES = ("blut_resources", "blut_assets")
"""What a directory must have to be the source of Blut."""


class CheckoutError(Exception):
    """Says that the source cannot be given to nodes; the message has place, problem and remedy."""


class Synced(NamedTuple):
    """Names a copy of the source, and says whether it was made now."""

    path: Path
    version: str
    made: bool


def sync(base: Path, source: Path = SOURCE) -> Synced:
    """Copy the source as it is now, changes and new files included, to ``base/<digest of its tree>``.

    What git ignores is left out. The repository stays as it is; so does a copy that is there already.

    Raises:
        CheckoutError: ``source`` is not the top of a git checkout, or the copy cannot be written.
    """
    _demand_top(source)
    with tempfile.TemporaryDirectory() as scratch:
        version, env = _version(source, Path(scratch))
        target = base / version
        if target.is_dir():
            return Synced(target, version, made=False)
        archive = Path(scratch, "source.tar")
        _git(source, "archive", f"--output={archive}", version, env=env)
        try:
            _unpack(archive, target)
        except (OSError, tarfile.TarError) as error:
            raise CheckoutError(
                f"{target}: the source cannot be copied there ({error}); name a writable directory on the"
                " share as `checkout` of the profile"
            ) from None
    return Synced(target, version, made=True)


@functools.cache
def source_of_nodes(base: Path, source: Path = SOURCE) -> Path:
    """Returns where nodes find the source of this process: a checkout, or the copy in a directory of copies.

    Raises:
        CheckoutError: there is no copy of it.
    """
    if is_source(base):
        return base
    _demand_top(source)
    with tempfile.TemporaryDirectory() as scratch:
        version, _ = _version(source, Path(scratch))
    if not (base / version).is_dir():
        raise CheckoutError(f"{base} has no copy of this source yet ({version[:12]})")
    return base / version


def _version(source: Path, scratch: Path) -> tuple[str, dict[str, str]]:
    """Returns the digest of the source as it is now, and the variables with which git knows it."""
    env = _apart(source, scratch)
    _git(source, "add", "--all", env=env)
    return _git(source, "write-tree", env=env), env


def is_source(directory: Path) -> bool:
    """Says whether a directory has the packages of Blut, and so is a checkout and no place for copies."""
    return all((directory / name).is_dir() for name in PACKAGES)


def _demand_top(source: Path) -> None:
    try:
        top = _git(source, "rev-parse", "--show-toplevel", env={})
    except CheckoutError:
        top = ""
    if not top or Path(top).resolve() != source.resolve():
        raise CheckoutError(
            f"{source} is not a git checkout, so there is no source to copy: install the same version of Blut"
            " for the nodes, and name its interpreter as `python` of the profile"
        )


def _apart(source: Path, scratch: Path) -> dict[str, str]:
    """Returns variables with which git has an index and new objects elsewhere, and the old ones as well."""
    index, objects = (
        Path(source, _git(source, "rev-parse", "--git-path", n, env={})) for n in ("index", "objects")
    )
    own = scratch / "index"
    if index.exists():  # with what it knows of files that are as they were
        own.write_bytes(index.read_bytes())
    (scratch / "objects").mkdir()
    return {
        "GIT_INDEX_FILE": str(own),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
    }


def _unpack(archive: Path, target: Path) -> None:
    partial = target.with_name(f"{PARTIAL}{random_name()}")
    partial.mkdir(parents=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        names = [path for path in partial.rglob("*") if not path.is_symlink()]
        sync_tree([p for p in names if p.is_file()], [partial, *(p for p in names if p.is_dir())])
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # whoever was faster has made the same
                raise
    finally:
        remove_tree(partial)


def _git(directory: Path, *args: str, env: Mapping[str, str]) -> str:
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **env}
    command = ["git", "-C", str(directory), *args]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=GIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckoutError(f"{directory}: git {args[0]} failed ({error}); is git installed?") from None
    if done.returncode:
        raise CheckoutError(f"{directory}: git {args[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
