"""Lists subjects for people: who it is, by which evidence, in how many files, on which side."""

from collections.abc import Mapping, Sequence
from typing import Any

from cookbooks.lamquant.subjects.join import joined
from cookbooks.lamquant.subjects.lookup import listed

COLUMNS = ("subject", "evidence", "files", "side")
EVIDENCE = 4
"""Kinds of evidence that a row names."""


def rows_of(evidence: Mapping[str, Mapping[str, Any]], sides: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns a row for each subject, by name: of ``split.json``, its ``evidence`` and ``subjects``."""
    return [
        {
            "subject": name,
            "evidence": ("names only: " if one["names_only"] else "") + listed(one["evidence"], EVIDENCE),
            "files": one["files"],
            "side": sides.get(name, "left out"),
        }
        for name, one in sorted(evidence.items())
    ]


def people_in(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Returns the tables of a corpus or a directory that is not split yet.

    They are ``subjects``, a row for each, and where there is any, ``no_evidence``: what joins nobody.

    Args:
        entries: each with ``stem`` and ``evidence``, as in ``corpus.json``.
    """
    people = joined(entries)
    evidence = {
        unit.name: {"names_only": unit.names_only, "evidence": unit.evidence, "files": len(unit.stems)}
        for unit in people.all()
    }
    rows = [{name: row[name] for name in COLUMNS if name != "side"} for row in rows_of(evidence, {})]
    ignored = [{"taken for no evidence of a person": one} for one in people.ignored]
    return {"subjects": rows, **({"no_evidence": ignored} if ignored else {})}
