"""Describes the environment of a judgement: interpreter and installed distributions, importing none.

Its digest is the same on every machine with the same versions: no path is in it, nor anything that an
installer writes for its place (byte code, scripts). What counts of a distribution is what its RECORD says of
its files.
"""

import functools
import json
import os
import platform
import re
import site
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blut_resources.files.digest import digest_bytes

RECORD = "RECORD"


@dataclass(frozen=True)
class Environment:
    """Says what computed something.

    Attributes:
        digest: of all of it, 64 hex digits.
        python: implementation, version and machine of the interpreter.
        distributions: name to version and digest of its files, ``2.3.1 0a1b2c3d4e5f``.
        variables: name to value of the variables passed on; none of them holds a path.
    """

    digest: str
    python: str
    distributions: Mapping[str, str]
    variables: Mapping[str, str]

    def listing(self) -> dict[str, object]:
        """Returns all but the digest, as JSON values."""
        distributions, variables = dict(self.distributions), dict(self.variables)
        return {"python": self.python, "distributions": distributions, "variables": variables}

    def as_dict(self) -> dict[str, object]:
        """Returns the digest and the listing, as JSON values."""
        return {"digest": self.digest, "listing": self.listing()}

    def parts(self) -> dict[str, str]:
        """Returns every part by name: what a reader compares when two differ."""
        variables = {f"${name}": value for name, value in self.variables.items()}
        return {"python": self.python, **self.distributions, **variables}


def environment(names: Iterable[str], variables: Mapping[str, str]) -> Environment:
    """Returns the interpreter and what is installed under these names;
    one that is missing counts as missing.
    """
    infos = _infos(installed_places())
    found = {name: _read(infos[name], _stamp(infos[name])) for name in map(_normal, names) if name in infos}
    told = {name: f"{version} {files[:12]}" for name, (version, files) in sorted(found.items())}
    python = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
    whole = {"python": python, "distributions": sorted(found.items()), "variables": sorted(variables.items())}
    return Environment(digest_bytes(json.dumps(whole).encode()), python, told, dict(variables))


def installed_places() -> list[str]:
    """Returns the directories of installed distributions that this interpreter has,
    without the user's own.
    """
    prefixes = list(dict.fromkeys([sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]))
    known = {os.path.realpath(place) for place in site.getsitepackages(prefixes)}
    return [place for place in dict.fromkeys(sys.path) if place and os.path.realpath(place) in known]


def _infos(places: Iterable[str]) -> dict[str, str]:
    """Returns normalised name to the directory of its metadata;
    the first place counts, as it does for an import.
    """
    found: dict[str, str] = {}
    for place in places:
        try:
            names = os.listdir(place)  # noqa: PTH208
        except OSError:
            continue
        for name in sorted(names):
            if name.endswith(".dist-info"):
                found.setdefault(
                    _normal(name.removesuffix(".dist-info").rpartition("-")[0]), f"{place}/{name}"
                )
    return found


def _stamp(info: str) -> tuple[int, ...]:
    try:
        status = os.stat(f"{info}/{RECORD}")  # noqa: PTH116
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


@functools.lru_cache(maxsize=512)
def _read(info: str, stamp: tuple[int, ...]) -> tuple[str, str]:
    """Returns version, and the digest of the files."""
    name = Path(info).name
    return name.removesuffix(".dist-info").rpartition("-")[2], _digest_of_files(_text(info, RECORD), name)


def _digest_of_files(record: str, info: str) -> str:
    """Digest the rows of the files that every installation has alike."""
    rows = re.findall(rf"^(?!\.\./|/|{re.escape(info)}/).*[^,\n]$", record, re.MULTILINE)
    return digest_bytes("\n".join(sorted(rows)).encode())


def _text(info: str, name: str) -> str:
    try:
        return Path(info, name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
