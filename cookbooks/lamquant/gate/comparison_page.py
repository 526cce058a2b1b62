"""Shows in the UI what a candidate is beside another one, recording by recording."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.registry.verdicts import VERDICT_FILE
from cookbooks.lamquant.gate.page import shown

GAIN = ("recording", "profile", "PRDN as shipped", "PRDN as refined", "gain")
HEADROOM = ("recording", "PRDN", "bytes of the codec", "bytes of the oracle", "headroom")


def shown_gain(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of a decoder's verdict: each file as both decoders decode it."""
    return {**shown(artifact), "gain": _table(GAIN, _gains(_details(artifact)))}


def shown_headroom(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of an oracle's verdict: the bytes of each recording at equal error."""
    return {**shown(artifact), "headroom": _table(HEADROOM, _rooms(_details(artifact)))}


def _details(artifact: Path) -> Mapping[str, Any]:
    return json.loads((artifact / VERDICT_FILE).read_bytes())["details"]


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> dg.TableMetadataValue:
    schema = dg.TableSchema([dg.TableColumn(name, "string") for name in columns])
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, schema=schema)


def _gains(details: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for profile, found in details["gains"].items():
        for stem, one in found.items():
            before, after = f"{one['shipped_prdn']:.3f} %", f"{one['prdn']:.3f} %"
            yield stem, profile, before, after, f"{one['gain_pct']:+.2f} %"


def _rooms(details: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for stem, one in details["headroom"].items():
        sizes = (f"{one[f'{name}_bytes']:.0f}" for name in ("reference", "candidate"))
        yield stem, f"{one['prdn']:.3f} %", *sizes, f"{one['headroom_bits_pct']:+.2f} %"
