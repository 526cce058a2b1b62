"""Joins what several attempts at one training have reported into one curve: each epoch once, the newest.

A training that is resumed goes on from a state that may be older than its last epoch: the first epoch that it
reports takes the place of that one and of all later ones. The place where it went on is kept as `SEAM` in
each row behind it: the last epoch before. What is measured before the first epoch, with the number 0, is
measured anew by some trainings whenever they start, and ends nothing.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from blut_resources.runs.metrics import RESUMED_FROM

Row = dict[str, Any]
Event = Mapping[str, Any]
CARRYING, CARRIED, RESUMED = "carrying", "carried", "resumed"
"""Events of a run: that earlier epochs follow, each of these, and from where the training really went on."""
SPELLED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class EpochCurve:
    """Takes the events of one asset, of one run after the other, in their order.

    Attributes:
        rows: as ``epoch``, ``step``, ``phase``, ``timestamp``, ``run`` (empty: that whose stream it is) and
            ``metrics``; `RESUMED_FROM` in those behind a seam.
        open: whether an attempt has begun that may still take the place of rows.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.open = False
        self._seam: float | None = None
        self._anew = False

    @property
    def seam(self) -> float | None:
        """Returns the last epoch before the attempt that goes on; None where it is the first."""
        return self._seam

    def take(self, event: Event) -> None:
        """Take what a stream or a work directory says; events of other kinds change nothing."""
        kind = event["kind"]
        if kind == "asset_started":
            self.open, self._anew = bool(self.rows), False
        elif kind == CARRYING:
            self.rows, self._seam = [], None
            self.open = not event.get("taken_over")
        elif kind == CARRIED:
            self.rows.append(_row(event))
            self._seam = event.get(RESUMED_FROM)
        elif kind == "epoch":
            self._add(_row(event))

    def _add(self, row: Row) -> None:
        if self.open and row["epoch"] > 0:
            self._cut(row)
        elif self.open and (again := self._place(row["epoch"], row["phase"])) is not None:
            self.rows[again], self._anew = row, True
            return
        if self._seam is not None:
            row[RESUMED_FROM] = self._seam
        self.rows.append(row)

    def _cut(self, row: Row) -> None:
        """Drop what an attempt does again."""
        self.open = False
        for number, old in enumerate(self.rows):
            if old["phase"] == row["phase"] and old["epoch"] >= row["epoch"]:
                del self.rows[number:]
                break
        kept = [old["epoch"] for old in self.rows if old["epoch"] > 0 or not self._anew]
        self._seam = kept[-1] if kept else None

    def _place(self, epoch: float, phase: str) -> int | None:
        same = (n for n, row in enumerate(self.rows) if (row["epoch"], row["phase"]) == (epoch, phase))
        return next(same, None)


def curve_of(events: Iterable[Event], asset: str) -> EpochCurve:
    """Returns the curve of an asset out of the stream of a run."""
    curve = EpochCurve()
    for event in events:
        if event.get("asset") == asset:
            curve.take(event)
    return curve


def merged(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Returns one row an epoch and phase, with all that was reported of it, as flat values by name.

    Index columns come last: a metric that has the name of one does not take its place.
    """
    found: dict[tuple[float, str], Row] = {}
    for row in rows:
        index = {name: row[name] for name in row if name not in ("metrics", "run")}
        index |= {"run_id": row["run"]} if row["run"] else {}
        key = (row["epoch"], row["phase"])
        found[key] = {**found.get(key, {}), **row["metrics"], **index}
    return list(found.values())


def _row(event: Event) -> Row:
    seam = {RESUMED_FROM: event[RESUMED_FROM]} if event.get(RESUMED_FROM) is not None else {}
    return {
        "epoch": event["epoch"],
        "step": event.get("step"),
        "phase": event.get("phase") or "train",
        "timestamp": event["t"],
        "run": event.get("run", ""),
        **seam,
        "metrics": {name: _number(value) for name, value in event["metrics"].items()},
    }


def _number(value: Any) -> Any:
    """Returns what JSON has no word for as the number that it was."""
    return SPELLED.get(value, value) if isinstance(value, str) else value
