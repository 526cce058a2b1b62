"""Finds again what a corpus of before holds, so that one that grew by a file encodes a file."""

import os
import shutil
from pathlib import Path
from typing import Any

from cookbooks.lamquant.encoding.archives import ArchiveJob
from cookbooks.lamquant.encoding.job import EncodeJob
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.names import hidden

OF_THE_CORPUS = ("subject", "subject_from")
"""What is said of a recording only beside the others."""


class EarlierCorpus:
    """Finds the archives of a corpus that the same code made with the same settings.

    Args:
        root: that corpus.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries: dict[tuple[str, str], list[dict[str, Any]]] = {}
        index = read_corpus(root)
        self._taken: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for entry in index["recordings"]:
            if entry["source"] is None:
                self._entries.setdefault((entry["root"], entry["recording"]), []).append(entry)
            else:
                self._taken.setdefault((entry["source"], entry["archive"]), []).append(entry)
        self._refused = {one["file"].partition(": ")[0] for one in index["refused"]}

    def records(self, job: EncodeJob) -> list[dict[str, Any]] | None:
        """Returns the entries of a file that has not changed since, in its name or its bytes."""
        found = self._entries.get((job.root, job.stem), [])
        same = found and all(
            entry["source_digest"] == job.digest
            and entry["evidence"] == evidence_of(job.relative, *_told(entry["evidence"]))
            for entry in found
        )
        if not same or job.digest is None:
            return None
        return [_alone(entry) for entry in found]

    def taken(self, job: ArchiveJob) -> list[dict[str, Any]] | None:
        """Returns the entries of an archive that lies where it lay, with all of it as it was verified then.

        One of which something was refused is looked at again, so that the reason is said again.
        """
        name = job.relative.as_posix()
        found = [e for shown in (name, hidden(name)) for e in self._taken.get((job.root, shown), [])]
        same = job.digest is not None and all(
            entry["source_digest"] == job.digest and "person" in entry["evidence"] for entry in found
        )
        if not found or not same or name in self._refused:
            return None
        return [_alone(entry) for entry in found]

    def archive(self, job: EncodeJob) -> Path:
        """Returns where the archive of a file lies."""
        return self._root / "archives" / f"{job.stem}.lma"


def _told(evidence: dict[str, Any]) -> tuple[str | None, str | None]:
    return evidence["header"], evidence.get("person")


def _alone(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in OF_THE_CORPUS}


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file another name, or a copy where the filesystem has no links."""
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        shutil.copyfile(source, target)
