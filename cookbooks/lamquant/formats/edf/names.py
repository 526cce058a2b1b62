"""Names the archives of recordings."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from cookbooks.lamquant.formats.lma.names import name_problem

SUFFIX = re.compile(r"\.[eb]df(\.gz)?$", re.IGNORECASE)
# Characters that archive readers or other systems refuse in a name.
UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:"<>|?*\ud800-\udfff]')
MAX_STEM_BYTES = 180


def stems_of(relatives: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Returns the archive names: the path without suffix, ``/`` as ``__``;
    unique also where case is ignored.
    """
    stems: dict[PurePosixPath, str] = {}
    taken: set[str] = set()
    for relative in relatives:
        plain = _portable(SUFFIX.sub("", relative.as_posix()).replace("/", "__"))
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[relative] = stem
    return stems


def _portable(stem: str) -> str:
    """Returns a stem that every system and archive takes: no device of DOS, no dot or space at its end."""
    plain = re.sub(r"[. ]+$", lambda ends: "_" * len(ends[0]), _shortened(UNSAFE.sub("_", stem)))
    if not plain:
        return "_"
    return plain if name_problem(plain) is None else f"_{plain}"


def _shortened(stem: str) -> str:
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    tag = hashlib.sha256(encoded).hexdigest()[:12]
    return f"{encoded[: MAX_STEM_BYTES - len(tag) - 1].decode(errors='ignore')}-{tag}"
