"""Shows a corpus in the UI: what was refused, mended and left out, bounded whatever its size."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from cookbooks.lamquant.subjects.table import people_in

SHOWN = 50
"""Rows of a table; ``corpus.json`` has all of it."""


def shown(index: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metadata of the materialization, from the parsed ``corpus.json``."""
    entries, refused = index["recordings"], index["refused"]
    files = {(entry["root"], entry["recording"]): entry for entry in entries}.values()
    page: dict[str, Any] = {"n_segments": sum(entry["segment"]["of"] > 1 for entry in entries)}
    mended = Counter(field for entry in files for field in {repair["field"] for repair in entry["repairs"]})
    taken = Counter(name for entry in files for name in entry["channels"])
    left_out = Counter((one["label"], one["reason"]) for entry in files for one in entry["left_out"])
    page |= {title: _table(rows, len(rows)) for title, rows in people_in(entries).items()}
    if refused:
        page["refused"] = _table(refused, len(refused))
    if mended:
        rows = ({"mended": field, "files": count} for field, count in mended.most_common(SHOWN))
        page["repairs"] = _table(rows, len(mended))
    rows = ({"channel": name, "files": count} for name, count in taken.most_common(SHOWN))
    page["channels"] = _table(rows, len(taken))
    if left_out:
        rows = (
            {"channel": label, "files": count, "left out because": reason}
            for (label, reason), count in left_out.most_common(SHOWN)
        )
        page["channels left out"] = _table(rows, len(left_out))
    return page


def _table(rows: Iterable[Mapping[str, Any]], count: int) -> dg.TableMetadataValue:
    """Returns a table of the first rows, whose last line says how many there are besides."""
    listed = [dict(row) for _, row in zip(range(SHOWN), rows, strict=False)]
    if count > len(listed):
        rest = f"and {count - len(listed)} more, in corpus.json"
        listed.append({name: rest if n == 0 else "" for n, name in enumerate(listed[0])})
    text = [{name: str(value) for name, value in row.items()} for row in listed]
    columns = [dg.TableColumn(name, "string") for name in text[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in text], schema=dg.TableSchema(columns))
