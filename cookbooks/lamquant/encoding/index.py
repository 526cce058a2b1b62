"""Writes the index of a corpus, and counts what is in it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import INDEX, SCHEMA
from cookbooks.lamquant.subjects.join import units
from cookbooks.lamquant.subjects.names import patient_key

READABLE = 500
"""Recordings up to which the index is written for eyes too."""


def write_index(
    out: Path, records: Sequence[dict[str, Any]], refused: Sequence[dict[str, Any]], identity: str
) -> list[dict[str, Any]]:
    """Write ``corpus.json``; returns its entries, with whose they are, which shows beside the others only."""
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
