"""Reads the epochs of a run out of its stream of events, for `jobs`, `results` and comparisons alike.

The table of metrics is written from the same events, for other tools; the terminal follows the stream itself.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blut_resources.runs import status

Row = dict[str, Any]
NEWEST_BYTES = 1 << 18
"""Of the end of a stream in which the newest epoch is looked for first."""


def epochs(stream: Path) -> dict[str, list[Row]]:
    """Returns the rows of each asset, oldest first: epoch, step, phase, timestamp and the metrics.

    An epoch that was trained again after a kill takes the place of what was there.
    """
    found: dict[str, dict[int, Row]] = {}
    for event in _reported(status.read(stream)):
        found.setdefault(event["asset"], {})[event["epoch"]] = _row(event)
    return {asset: [rows[epoch] for epoch in sorted(rows)] for asset, rows in found.items()}


def newest_epoch(stream: Path) -> tuple[str, Row]:
    """Returns the asset and the metrics of the newest epoch; empty where there was none.

    A stream with many steps between its epochs is read from its start only where its end has none.
    """
    size = status.size(stream)
    for after in dict.fromkeys((max(0, size - NEWEST_BYTES), 0)):
        for newest in deque(_reported(status.read(stream, after)), maxlen=1):
            return newest["asset"], {"epoch": newest["epoch"], **newest["metrics"]}
    return "", {}


def _reported(events: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (event for event in events if event["kind"] == "epoch")


def _row(event: Mapping[str, Any]) -> Row:
    """Index columns last: a metric that has the name of one does not take its place."""
    index = {name: event.get(name) for name in ("epoch", "step", "phase")}
    return {**event["metrics"], **index, "timestamp": event["t"]}
