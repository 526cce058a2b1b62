"""Reads the epochs of a run out of its stream of events, for `jobs`, `results` and comparisons alike.

The table of metrics is written from the same events, for other tools; the terminal follows the stream itself.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.runs import status
from blut_resources.runs.curve import CARRIED, EpochCurve, merged

Row = dict[str, Any]
OVER = ("asset_finished", "asset_reused", "asset_failed")
"""Events after which an asset works no more."""
NEWEST_BYTES = 1 << 18
"""Of the end of a stream in which the newest epoch is looked for first."""


def epochs(stream: Path) -> dict[str, list[Row]]:
    """Returns the rows of each asset, oldest first: epoch, step, phase, timestamp and the metrics.

    Those from before a resume are among them, also where another run computed them, which ``run_id`` names
    then. An epoch that was trained again after a kill takes the place of what was there.
    """
    curves: dict[str, EpochCurve] = {}
    for event in status.read(stream):
        if "asset" in event and _is_whole(event):
            curves.setdefault(event["asset"], EpochCurve()).take(event)
    return {asset: merged(curve.rows) for asset, curve in curves.items() if curve.rows}


def newest_epoch(stream: Path) -> tuple[str, Row]:
    """Returns the asset and the metrics of the newest epoch; empty where there was none.

    A stream with many steps between its epochs is read from its start only where its end has none.
    """
    for after in _starts(stream):
        for newest in deque(_reported(status.read(stream, after)), maxlen=1):
            return newest["asset"], _row(newest)
    return "", {}


def at_work(stream: Path) -> tuple[str, Row]:
    """Returns the asset of a run that is at work, and its newest epoch if it has one.

    Of several it is the one that spoke last. Empty where none is: the run is between two of them.
    """
    asset, rows = "", dict[str, Row]()
    for after in _starts(stream):
        working, rows = dict[str, None](), dict[str, Row]()
        for event in status.read(stream, after):
            if not (name := event.get("asset")):
                continue
            working.pop(name, None)
            if event["kind"] not in OVER:
                working[name] = None  # the last one
            if event["kind"] == "asset_started":
                rows.pop(name, None)
            for whole in _reported([event]):
                rows[name] = _row(whole)
        asset = next(reversed(working), "")
        if asset in rows:
            break
    return asset, rows.get(asset, {})


def _starts(stream: Path) -> Iterable[int]:
    """Returns from where a stream is read: near its end first, and then from its start."""
    return dict.fromkeys((max(0, status.size(stream) - NEWEST_BYTES), 0))


def _row(event: Mapping[str, Any]) -> Row:
    return {"epoch": event["epoch"], **event["metrics"]}


def _reported(events: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (e for e in events if e["kind"] in ("epoch", CARRIED) and "asset" in e and _is_whole(e))


def _is_whole(event: Mapping[str, Any]) -> bool:
    """Says whether an epoch is one: a disk may have put something else there."""
    known = isinstance(event.get("epoch"), int) and isinstance(event.get("metrics"), dict)
    return known or event["kind"] not in ("epoch", CARRIED)
