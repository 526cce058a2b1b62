"""Finds the pictures that a run shows of its results, each whole: a ``data:`` URI."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import dagster as dg

from blut_assets.cli.run.lookup import made_by
from blut_assets.stages import reuse

INLINE = re.compile(r"!\[[^\n]*?\]\((data:image/[\w.+-]+;base64,[A-Za-z0-9+/]+=*)\)")
CURVES = "curves"


class Picture(NamedTuple):
    """Holds a picture of an asset."""

    asset: str
    name: str
    uri: str


def pictures_of(
    instance: dg.DagsterInstance, events: Mapping[str, reuse.Became], drawn: Collection[str]
) -> list[Picture]:
    """Returns the pictures of the results of a run; those of what was reused are where it was computed.

    Args:
        drawn: assets whose curves are drawn anew, and so not shown as they were then.
    """
    shown: dict[str, dict[str, reuse.Became]] = {}
    found = []
    for asset, event in events.items():
        origin = reuse.word_of(event, reuse.SHOWN_BY)
        if origin and origin not in shown:
            shown[origin] = made_by(instance, origin)
        source = shown.get(origin, {}).get(asset, event)
        found += [one for one in _pictures(asset, source) if one.name != CURVES or asset not in drawn]
    return found


def _pictures(asset: str, event: reuse.Became) -> Iterator[Picture]:
    for name, entry in event.metadata.items():
        if isinstance(entry, dg.MarkdownMetadataValue):
            for uri in INLINE.findall(entry.md_str or ""):
                yield Picture(asset, name, uri)
