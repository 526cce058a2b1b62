"""Writes the index of a corpus, and counts what is in it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import INDEX, SCHEMA
from cookbooks.lamquant.subjects.join import units
from cookbooks.lamquant.subjects.names import patient_key

READABLE = 500
"""Recordings up to which the index is written for eyes too."""


def write_index(
    out: Path, records: Sequence[dict[str, Any]], refused: Sequence[dict[str, Any]], identity: str
) -> list[dict[str, Any]]:
    """Write ``corpus.json``; returns its entries, with whose they are, which shows beside the others only.

    Raises:
        Refused: two recordings have one name.
    """
    records = _distinct(records)
    found = units(records)
    entries = [
        {**record, "subject": found[record["stem"]].name, "subject_from": found[record["stem"]].source}
        for record in records
    ]
    index = {"schema": SCHEMA, "identity": identity, "recordings": entries, "refused": list(refused)}
    layout: dict[str, Any] = {"indent": 1} if len(entries) <= READABLE else {"separators": (",", ":")}
    text = json.dumps(index, sort_keys=True, ensure_ascii=False, **layout)
    write_atomic(out / INDEX, f"{text}\n".encode())
    return entries


def _distinct(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the entries with a name each; only what lies in archives of others can be called otherwise."""
    own = [record["stem"].casefold() for record in records if record["source"] is None]
    taken = set(own)
    if len(taken) < len(own):
        raise Refused("two recordings have one name in the corpus: rename a file whose name ends in a number")
    named: list[dict[str, Any]] = []
    for record in records:
        stem, number = record["stem"], 1
        while record["source"] is not None and stem.casefold() in taken:
            number += 1
            stem = f"{record['stem']}-{number}"
        taken.add(stem.casefold())
        named.append({**record, "stem": stem})
    return named


def count(out: Path, entries: Sequence[dict[str, Any]], n_refused: int, identity: str) -> dict[str, Any]:
    """Returns the facts of a corpus; its ratio is of what lies in its own archives."""
    own = {entry["archive"] for entry in entries if entry["source"] is None}
    raw = sum(
        entry["n_channels"] * entry["n_samples"] * entry["bit_depth"] // 8
        for entry in entries
        if entry["source"] is None
    )
    stored = sum((out / archive).stat().st_size for archive in own)
    return {
        "n_archives": len({(entry["source"], entry["archive"]) for entry in entries}),
        "n_refused": n_refused,
        "n_subjects": len({patient_key(entry["subject"]) for entry in entries}),
        "n_samples": sum(entry["n_channels"] * entry["n_samples"] for entry in entries),
        "duration_s": sum(entry["duration_s"] for entry in entries),
        "compression_ratio": raw / stored if stored else 1.0,
        "identity": identity,
        "synthetic": any(entry["synthetic"] for entry in entries),
    }
