"""Checks every row, and puts it into the part that it belongs to: table -> split.

Writes ``train.jsonl``, ``validation.jsonl``, ``test.jsonl`` (numbers only),
``test_labels.json`` and ``split.json``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.session import payload_session

from toybook.rows import Part, Row, RowsInvalid, part_of, read_table, table_file, write_rows

Share = Annotated[float, Bounds(above=0, below=0.5)]


@dataclass(frozen=True)
class Settings:
    """Holds what `SplitConfig` says."""

    label: str
    split_seed: int
    validation_fraction: Share
    test_fraction: Share


@dataclass(frozen=True)
class Inputs:
    """Names the input."""

    table: Path


def main() -> None:
    """Split the rows of one session."""
    with payload_session() as session:
        settings = read_config(session, Settings)
        path, synthetic = table_file(read_inputs(session, Inputs).table)
        features, rows = read_table(path, settings.label)
        parts: dict[Part, list[Row]] = {"train": [], "validation": [], "test": []}
        for row in rows:
            where = part_of(row, settings.split_seed, settings.validation_fraction, settings.test_fraction)
            parts[where].append(row)
        classes = sorted({row.label for row in rows})
        _refuse_gaps(parts, classes)
        # the labels of the sealed rows lie apart: what the candidate is asked with has none of them
        sealed = [Row(row.numbers, "") for row in parts["test"]]
        described = {"features": features, "classes": classes, "synthetic": synthetic}
        for name, data in {
            "train.jsonl": write_rows(parts["train"]),
            "validation.jsonl": write_rows(parts["validation"]),
            "test.jsonl": write_rows(sealed),
            "test_labels.json": json.dumps([row.label for row in parts["test"]]).encode(),
            "split.json": json.dumps(described, indent=1, sort_keys=True).encode(),
        }.items():
            write_atomic(session.out / name, data)
        counts = {f"n_{name}": len(part) for name, part in parts.items()}
        session.done(**counts, n_features=len(features), n_classes=len(classes))


def _refuse_gaps(parts: dict[Part, list[Row]], classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise RowsInvalid(f"table: its labels are {list(classes)!r}; there is nothing to tell apart")
    for name, part in parts.items():
        if missing := sorted(set(classes) - {row.label for row in part}):
            other = "" if name == "train" else f" or {name}_fraction"
            raise RowsInvalid(
                f"table: no row of {', '.join(map(repr, missing))} is in the {name} part; bring more rows of"
                f" it, or give another split_seed{other}"
            )


if __name__ == "__main__":
    main()
