"""Shows a split in the UI: who is on which side, by which evidence, and what is not certain."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages import Notice, Noticed
from cookbooks.lamquant.gate.split import SPLIT_FILE
from cookbooks.lamquant.subjects.lookup import listed
from cookbooks.lamquant.subjects.table import COLUMNS, rows_of

FEW = 3
"""Subjects of a side: what fewer of them show says little of anybody else."""
SHOWN = 200
"""Subjects in the UI; ``split.json`` has all."""


def _enough(split: Any, _metadata: Mapping[str, Any]) -> Noticed:
    sides = {"train": split.n_train_subjects, "val": split.n_val_subjects, "test": split.n_test_subjects}
    short = [f"{n} in {side}" for side, n in sides.items() if n < FEW]
    figures = {f"n_{side}_subjects": n for side, n in sides.items()}
    text = f"{', '.join(short)}: figures of fewer than {FEW} subjects say little of others"
    return Noticed(not short, text if short else f"at least {FEW} subjects on each side", figures)


ENOUGH_SUBJECTS = Notice("subjects_per_side", f"Each side has at least {FEW} subjects.", _enough)


def split_page(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of the materialization: the table of subjects, and what is not certain."""
    split = json.loads((artifact / SPLIT_FILE).read_text())
    columns = [dg.TableColumn(name, "int" if name == "files" else "string") for name in COLUMNS]
    rows = rows_of(split["evidence"], split["subjects"])
    records = [dg.TableRecord(row) for row in rows[:SHOWN]]
    page: dict[str, Any] = {
        "subjects": dg.MetadataValue.table(records, schema=dg.TableSchema(columns)),
        "n_subjects": len(rows),
    }
    if warnings := split_warnings(split):
        page["warnings"] = dg.MetadataValue.md("\n".join(f"- {one}" for one in warnings))
    if manifest := split["meta"].get("manifest"):
        page["manifest"] = manifest["digest"]
    return page


def split_warnings(split: Mapping[str, Any]) -> list[str]:
    """Returns in words what speaks against trusting a split blindly."""
    meta = split["meta"]
    warnings = []
    if alone := meta["by_names_only"]:
        warnings.append(
            f"{len(alone)} of {len(split['subjects'])} subjects are known by names of files and directories"
            f" only: {listed(alone)}. If one person can be under two of these names, state who is who in a"
            " file (arg subjects)"
        )
    if meta["no_evidence"]:
        warnings.append(f"taken for no evidence of a person: {listed(meta['no_evidence'])}")
    return warnings
