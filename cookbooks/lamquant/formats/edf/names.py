"""Tells which files are recordings, and what their archives are called.

Light on purpose: a graph that lists recordings needs no EDF library.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

SUFFIXES = frozenset({".edf", ".bdf"})
# Characters that archive readers or other systems refuse in a name.
UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:"<>|?*\ud800-\udfff]')
MAX_STEM_BYTES = 180


def find_recordings(root: Path) -> list[Path]:
    """Returns every ``.edf`` and ``.bdf`` under ``root`` (any case, linked directories too), sorted.

    Hidden files are passed over: a copy from macOS leaves ``._name.edf`` beside each recording.
    """
    found: set[Path] = set()
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        # of two links to one directory the same one must be followed everywhere
        folders.sort()
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        named = (Path(folder, name) for name in (*folders, *files) if not name.startswith("."))
        found.update(path for path in named if path.suffix.lower() in SUFFIXES)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def stems_of(relatives: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Returns the archive names: the path without suffix, ``/`` as ``__``;
    unique also where case is ignored.
    """
    stems: dict[PurePosixPath, str] = {}
    taken: set[str] = set()
    for relative in relatives:
        plain = _shortened(UNSAFE.sub("_", relative.with_suffix("").as_posix().replace("/", "__")))
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[relative] = stem
    return stems


def _shortened(stem: str) -> str:
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    tag = hashlib.sha256(encoded).hexdigest()[:12]
    return f"{encoded[: MAX_STEM_BYTES - len(tag) - 1].decode(errors='ignore')}-{tag}"
