"""Describes one file to encode, and what an archive of it is known by."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cookbooks.lamquant.formats.corpus import SCHEMA
from cookbooks.lamquant.formats.edf.recording import ReadOptions

FINISHED_S = 30 * 86400.0
"""Seconds for which a finished archive waits for a run that needs it."""
HALF_WRITTEN_S = 6 * 3600.0
"""Seconds after which a file that nobody has written to belongs to a process that was killed."""


@dataclass(frozen=True)
class EncodeJob:
    """Describes one file to encode.

    Attributes:
        path: the file.
        root: name of the root that it was found in; empty where there is one only.
        relative: where it lies in its root.
        stem: its name in the corpus.
        options: how it is read.
        digest: BLAKE3 of its bytes; None where it cannot be read.
        n_bytes: its size, which its part of the progress is by.
        finished: directory of archives that are done, also by runs that were ended.
        code: version of the code that encodes.
    """

    path: Path
    root: str
    relative: PurePosixPath
    stem: str
    options: ReadOptions
    digest: str | None
    n_bytes: int
    finished: Path
    code: str

    @property
    def key(self) -> str:
        """Returns what the archive's bytes depend on, in short; not where the file lies."""
        named = [self.root, self.relative.as_posix(), self.stem]
        parts = [SCHEMA, self.code, *named, asdict(self.options), self.digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def archive(self) -> Path:
        """Returns the place of its archive while the corpus is being made."""
        return self.finished / f"{self.key}.lma"

    @property
    def note(self) -> Path:
        """Returns the place of its entries in the index; that it is there means that the archive is whole."""
        return self.finished / f"{self.key}.json"


def tidy(finished: Path) -> None:
    """Remove what no run came back for, and what killed processes left half-written."""
    for path in finished.iterdir():
        age = time.time() - path.stat().st_mtime
        if age > (FINISHED_S if path.suffix in (".lma", ".json") else HALF_WRITTEN_S):
            path.unlink(missing_ok=True)


def as_json(value: Any) -> bytes:
    """Returns readable JSON of something small."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
