"""Finds the recordings and people that a user's file names, and what comes near where there is none.

A directory or file that is named after its patient has a pseudonym in the corpus. The user's file may call it
as it lies on the disk.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from cookbooks.lamquant.subjects.evidence import evidence_in, without_suffix
from cookbooks.lamquant.subjects.join import People
from cookbooks.lamquant.subjects.names import patient_key, pseudonym

LISTED = 12


class NamedRecordings:
    """Finds recordings by their path below the root (with suffix or without), their stem, or a directory."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._files: dict[str, set[str]] = defaultdict(set)
        self._directories: dict[str, set[str]] = defaultdict(set)
        self._names: dict[str, set[str]] = defaultdict(set)
        for entry in entries:
            stem, evidence = entry["stem"], evidence_in(entry)
            path = [*evidence["directories"], evidence["file"] or stem]
            for start in ([], [evidence["root"]]) if evidence["root"] else ([],):
                parts = [*start, *path]
                self._files["/".join(parts)].add(stem)
                for depth in range(1, len(parts)):
                    self._directories["/".join(parts[:depth])].add(stem)
            for name in (stem, entry.get("recording") or stem):
                self._files[name].add(stem)
            self._names[path[-1]].add(stem)
        self._parts = {part for path in [*self._files, *self._directories] for part in path.split("/")}

    def named(self, name: str) -> tuple[set[str], int]:
        """Returns the stems that a name stands for, and how narrow it is; a file is the narrowest.

        Raises:
            KeyError: with the nearest known names, or with what it could stand for.
        """
        plain = self._as_known(name.replace("\\", "/").removeprefix("./"))
        file, directory = without_suffix(plain), plain.rstrip("/")
        is_file, is_directory = file in self._files, directory in self._directories
        if is_file and not plain.endswith("/") and not (is_directory and file == plain):
            return self._files[file], 1000
        if is_directory and not (is_file and not plain.endswith("/")):
            return self._directories[directory], directory.count("/")
        if is_file and is_directory:
            raise KeyError(f"{name!r} is a file and a directory: write {directory}/ or the file's suffix")
        found = self._names.get(file, set())
        if len(found) == 1:
            return found, 1000
        if found:
            raise KeyError(f"{name!r} could be {listed(sorted(found))}: write its path below the root")
        raise KeyError(f"{name!r} is not in the corpus: {nearest(name, [*self._files, *self._directories])}")

    def _as_known(self, path: str) -> str:
        """Returns a path with the pseudonyms that stand for parts of it in the corpus."""
        stem = without_suffix(path)
        parts = stem.split("/")
        known = [one if (one := pseudonym(part)) in self._parts else part for part in parts]
        return path if known == parts else "/".join(known) + path[len(stem) :]


class NamedPatients:
    """Finds units of splitting by their name, in any spelling, or by anything else that ties their files."""

    def __init__(self, people: People) -> None:
        self._known = [unit.name for unit in people.all()]
        self._names = {patient_key(unit.name): unit.name for unit in people.all()}
        self._aliases: dict[str, set[str]] = defaultdict(set)
        for tie in people.ties:
            for alias in {tie.name, tie.alias} - {""}:
                self._aliases[patient_key(alias)].add(people.units[tie.stems[0]].name)

    def named(self, name: str) -> str:
        """Returns the unit's name that somebody means.

        Raises:
            KeyError: with the nearest known names, or with those it could be.
        """
        for key in (patient_key(name), pseudonym(name)):
            if key in self._names:
                return self._names[key]
        found = self._aliases.get(patient_key(name)) or self._aliases.get(pseudonym(name), set())
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise KeyError(f"{name!r} could be {listed(sorted(found))}: write one of these")
        raise KeyError(f"{name!r}, which is not in the corpus: {nearest(name, self._known)}")


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns in words what comes near a name, or else what there is."""
    folded = {patient_key(one): one for one in known}
    near = get_close_matches(patient_key(name), folded, n=3, cutoff=0.6)
    if near:
        return f"the nearest is {listed([folded[key] for key in near])}"
    return f"it holds {listed(sorted(set(known)))}"


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """Returns names in words, not all of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
