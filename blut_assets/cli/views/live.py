"""Follows a run at work by its own events: epoch, curve of the loss, time left, memory, checkpoint."""

from pathlib import Path
from typing import Any

from blut_assets.cli.run.pace import Pace
from blut_resources.runs import status
from blut_resources.runs.curve import EpochCurve
from blut_resources.runs.epochs import OVER

POINTS = 120
"""Epochs of a curve that are kept, the newest."""


class LiveRun:
    """Reads on in the stream of one run where it was the last time."""

    def __init__(self, stream: Path) -> None:
        """Take the run's ``status.jsonl``, which need not be there yet."""
        self._stream, self._after = stream, 0
        self._epochs: dict[str, int] = {}
        self._pace = Pace(stream, self._epochs)
        self._begin("", 0.0)

    def _begin(self, asset: str, since: float) -> None:
        self._asset, self._since = asset, since
        self._curve, self._checkpoint, self._limit = EpochCurve(), None, None
        self._pace.begin(asset, since)

    def facts(self) -> dict[str, Any]:
        """Returns how far the asset at work is, as plain values; ``asset`` is empty where none is.

        ``at`` such as ``epoch 3/8``, ``values`` of the metrics in words, ``curve`` of ``metric`` (the loss,
        or what is reported first), ``left_s`` in seconds, ``memory`` and ``limit`` in bytes, ``since`` and
        ``checkpoint`` in seconds since 1970; None for what nobody knows.
        """
        for event in status.read(self._stream, self._after):
            self._after = event["offset"]
            self._take(event)
        metric, curve = _curve_of(self._curve)
        return {
            "asset": self._asset,
            "at": self._pace.at,
            "values": self._pace.values,
            "metric": metric,
            "curve": curve,
            "left_s": self._pace.left_s(),
            "memory": self._pace.memory or None,
            "limit": self._limit,
            "since": self._since,
            "checkpoint": self._checkpoint,
        }

    def _take(self, event: dict[str, Any]) -> None:
        kind, asset = event["kind"], event.get("asset", "")
        if kind == "asset_started":
            self._begin(asset, event["t"])
            planned = event.get("config", {}).get("epochs")
            if isinstance(planned, int):
                self._epochs[asset] = planned
        elif asset != self._asset:
            return
        elif kind in OVER:
            self._begin("", event["t"])
        elif kind == "checkpoint":
            self._checkpoint = event["t"]
        elif kind == "limited":
            self._limit = event.get("limit")
        if asset and asset == self._asset:
            self._curve.take(event)
            self._pace.take(event)


def _curve_of(curve: EpochCurve) -> tuple[str, list[float]]:
    """Returns the name of the metric that is drawn, and its newest values that are numbers."""
    rows = [row["metrics"] for row in curve.rows if row["phase"] == "train"][-POINTS:]
    names = [name for name, value in rows[-1].items() if _is_number(value)] if rows else []
    name = min(names, key=lambda one: (one != "loss", "loss" not in one), default="")
    return name, [row[name] for row in rows if _is_number(row.get(name))] if name else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value - value == 0
