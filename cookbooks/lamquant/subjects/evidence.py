"""Notes what speaks for whose recording a file is: the patient of its header, and every part of its path."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

SUFFIXES = (".gz", ".edf", ".bdf", ".lml", ".lma")


def evidence_of(relative: PurePosixPath, header: str | None, person: str | None = None) -> dict[str, Any]:
    """Returns the evidence of a recording, as ``corpus.json`` keeps it.

    Args:
        relative: where the file lies, from the root of its source; never an absolute path.
        header: the pseudonym of the patient's code in the header; None where it has none.
        person: the pseudonym of the name with birth date in the header; None where it has none.
    """
    name = without_suffix(relative.name)
    directories = [part for part in relative.parent.parts if part not in (".", "..", "/")]
    return {"header": header, "person": person, "directories": directories, "file": name}


def without_suffix(name: str) -> str:
    """Returns the name of a file, or its path, without what says that it is a recording."""
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return name


def evidence_in(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the evidence of an entry of ``corpus.json``; an index of before has a subject alone."""
    if evidence := entry.get("evidence"):
        return {"root": entry.get("root") or "", **evidence}
    return {
        "root": "",
        "header": None,
        "person": None,
        "directories": [],
        "file": "",
        "subject": entry["subject"],
    }
