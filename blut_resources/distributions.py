"""The environment of a judgement: the interpreter and the installed distributions, without importing any.

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

from blut_resources.digest import digest_bytes

METADATA, RECORD = "METADATA", "RECORD"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class NotInstalled(Exception):
    """A distribution is not installed where an isolated process looks; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """What computed something.

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
        """All but the digest, as JSON values."""
        distributions, variables = dict(self.distributions), dict(self.variables)
        return {"python": self.python, "distributions": distributions, "variables": variables}

    def parts(self) -> dict[str, str]:
        """Every part by name: what a reader compares when two differ."""
        variables = {f"${name}": value for name, value in self.variables.items()}
        return {"python": self.python, **self.distributions, **variables}


def environment(names: Iterable[str], variables: Mapping[str, str]) -> Environment:
    """What is installed under these names, with all that they require, and the interpreter.

    Raises:
        NotInstalled: one of the names is not there.
    """
    found = _closure(tuple(sorted(names)), tuple(installed_places()))
    told = {name: f"{version} {files[:12]}" for name, (version, files) in sorted(found.items())}
    python = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
    whole = {"python": python, "distributions": sorted(found.items()), "variables": sorted(variables.items())}
    return Environment(digest_bytes(json.dumps(whole).encode()), python, told, dict(variables))


def installed_places() -> list[str]:
    """The directories of installed distributions that this interpreter has, without the user's own."""
    prefixes = list(dict.fromkeys([sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]))
    known = {os.path.realpath(place) for place in site.getsitepackages(prefixes)}
    return [place for place in dict.fromkeys(sys.path) if place and os.path.realpath(place) in known]


def _closure(names: tuple[str, ...], places: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    infos, found, todo = _infos(places), {}, [_normal(name) for name in names]
    if missing := [name for name in todo if name not in infos]:
        raise NotInstalled(
            f"{', '.join(missing)}: not installed in {places[0] if places else sys.prefix}, where alone an"
            " isolated process looks (a user's own site-packages do not count): install it there with pip"
        )
    while todo:
        name = todo.pop()
        if name in infos and name not in found:
            version, required, files = _read(infos[name], _stamp(infos[name]))
            found[name] = (version, files)
            todo += required
    return found


def _infos(places: Iterable[str]) -> dict[str, str]:
    """Normalised name to the directory of its metadata; the first place counts, as it does for an import."""
    found: dict[str, str] = {}
    for place in places:
        try:
            names = os.listdir(place)  # noqa: PTH208
        except OSError:
            continue
        for name in sorted(names):
            if name.endswith(".dist-info"):
                found.setdefault(_normal(name.removesuffix(".dist-info").rpartition("-")[0]), f"{place}/{name}")
    return found


def _stamp(info: str) -> tuple[int, ...]:
    found: list[int] = []
    for name in (METADATA, RECORD):
        try:
            status = os.stat(f"{info}/{name}")  # noqa: PTH116
            found += [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
        except OSError:
            found.append(0)
    return tuple(found)


@functools.lru_cache(maxsize=512)
def _read(info: str, stamp: tuple[int, ...]) -> tuple[str, list[str], str]:
    """Version, the names required without an extra, and the digest of the files."""
    head = _text(info, METADATA).partition("\n\n")[0]
    fields = [line.partition(": ") for line in head.splitlines()]
    version = next((value for name, _, value in fields if name == "Version"), "unknown")
    required = [
        _normal(found[0])
        for name, _, value in fields
        if name == "Requires-Dist" and "extra ==" not in value and (found := _NAME.match(value))
    ]
    return version.strip(), required, _digest_of_files(_text(info, RECORD), Path(info).name)


def _digest_of_files(record: str, info: str) -> str:
    """Over the rows of the files that every installation has alike."""
    own, rows = f"{info}/", []
    for row in record.splitlines():
        if not row.startswith(("../", own, "/")) and not row.endswith(",,"):
            rows.append(row)
    return digest_bytes("\n".join(sorted(rows)).encode())


def _text(info: str, name: str) -> str:
    try:
        return Path(info, name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
