"""Writes what a payload reports into the files of its run; also what it said when its run did not hear it.

A payload that is stopped has a grace period, in which it may end an epoch. Its run reads on until nothing of
it is left; where the run was killed, whoever finds what that left writes the rest down.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.files.durable import StoreError
from blut_resources.payloads.events import MessageError
from blut_resources.payloads.messages import MESSAGES, MessageTail, consumed
from blut_resources.runs import manifest, metrics, status
from blut_resources.runs.curve import CARRIED, CARRYING, RESUMED, EpochCurve, Row, curve_of
from blut_resources.runs.files import metrics_path, run_dir, status_path
from blut_resources.runs.metrics import RESUMED_FROM
from blut_resources.runs.trail import OVER, TRAIL, SavedState, Trail

RUN = "run.json"
PASSED_ON = ("checkpoint", "diverged", "gpu_starved", "uncounted")
"""Events of a payload whose fields say all there is to say."""


@dataclass(frozen=True)
class Left:
    """Describes what earlier attempts at the same training have left.

    Attributes:
        run: that of the newest of them.
        epochs: how many rows they reported that count.
        last: the number of the last one.
    """

    run: str
    epochs: int
    last: float
    state: SavedState | None


class RunRecord:
    """Writes the stream of events of a run, and the table of one of its assets.

    Nothing here ends a training.
    """

    def __init__(self, home: Path, run_id: str, asset: str, warn: Callable[[str], object]) -> None:
        self.home, self.run_id, self.asset, self._warn = home, run_id, asset, warn
        self.status = status.Status(status_path(home, run_id))
        self._table: metrics.MetricLog | None = None
        self._step: int | None = None
        self._trail: Trail | None = None
        self._known: EpochCurve | None = None
        self._kept = False

    @property
    def curve(self) -> EpochCurve:
        """Returns all epochs of the asset that count, also those of earlier runs."""
        if self._known is None:
            own = status.read(status_path(self.home, self.run_id), asset=self.asset)
            self._known = curve_of(own, self.asset)
        return self._known

    def begin(self, work: Path, *, taken_over: bool = False) -> Left | None:
        """Note that an attempt begins in a work directory; returns what earlier ones have left there.

        Their epochs become a part of this run: it ends with the whole curve, whatever becomes of them.
        """
        self._trail = trail = Trail(work, self.run_id, self.asset)
        before = trail.curve().rows
        if self._is_news(before):
            self._carry(CARRYING, {"epochs": len(before), OVER: taken_over})
            for row in before:
                facts = {name: value for name, value in row.items() if name != "timestamp"}
                self._carry(CARRIED, {**facts, "t": row["timestamp"]})
        trail.begin(self.home, taken_over=taken_over)
        if not before:
            return None
        self._keep_rows()
        return Left(before[-1]["run"], len(before), before[-1]["epoch"], trail.state())

    def _carry(self, kind: str, facts: Mapping[str, Any]) -> None:
        self.status.write(kind, self.asset, **facts)
        self.curve.take({"kind": kind, **facts})

    def follow(self, work: Path) -> None:
        """Go on with the attempt that a run that is no more has begun there."""
        if (work / TRAIL).exists():
            self._trail = Trail(work, self.run_id, self.asset)

    def _is_news(self, rows: Sequence[Row]) -> bool:
        """Says whether the stream of this run lacks some of these: it has those of its own attempts."""
        return not {_key(row) for row in rows} <= {_key(row) for row in self.curve.rows}

    def take(self, event: Mapping[str, Any]) -> bool:
        """Write down what a payload reports; says whether that was an epoch."""
        kind = event["event"]
        facts = {name: value for name, value in event.items() if name not in ("event", "t")}
        when = {"t": _own_time(event)}
        if kind == "step":
            self._step = event["step"]
            shown = {name: facts[name] for name in ("step", "of", "share", "values") if name in facts}
            self.status.step(self.asset, **shown, **when)
        elif kind == "epoch":
            self._epoch(event, when["t"])
        elif kind in PASSED_ON:
            self.status.write(kind, self.asset, durable=kind != "checkpoint", **facts, **when)
            if kind == "checkpoint" and self._trail:
                self._trail.checkpoint({**facts, **when})
        return kind == "epoch"

    def _epoch(self, event: Mapping[str, Any], when: float) -> None:
        said = {
            "t": when,
            "epoch": event["epoch"],
            "step": self._step if event.get("step") is None else event["step"],
            "phase": event.get("phase", "train"),
            "metrics": event["metrics"],
        }
        curve, was_open = self.curve, self.curve.open
        curve.take({"kind": "epoch", **said})
        if was_open and not curve.open and curve.seam is not None:
            before = [row for row in curve.rows[:-1] if row["epoch"] <= curve.seam]
            run = before[-1]["run"] or self.run_id
            self.status.write(RESUMED, self.asset, run=run, epoch=curve.seam, epochs=len(before))
        self.status.write("epoch", self.asset, durable=True, **said)
        if self._trail:
            self._trail.epoch(said)
        self._keep_rows()

    def _keep_rows(self) -> None:
        """Bring the table to what the curve is: mostly that is one row more."""
        curve = self.curve
        try:
            table = self._open_table()
            if self._kept and len(table.rows) == len(curve.rows) - 1:
                table.append(self._row(curve.rows[-1]))
            else:
                self._kept = True
                table.replace([self._row(row) for row in curve.rows])
        except (OSError, StoreError, ValueError) as error:
            self._warn(f"{self.asset}: this epoch is not in its table of metrics yet: {error}")

    def _row(self, row: Row) -> dict[str, Any]:
        """Returns a row with its index columns first:
        a metric that has the name of one does not take its place.
        """
        index = {
            "run_id": row["run"] or self.run_id,
            "asset": self.asset,
            **{name: row[name] for name in ("epoch", "step", "phase", "timestamp")},
        }
        own = {name: value for name, value in row["metrics"].items() if name not in index}
        seam = {RESUMED_FROM: row[RESUMED_FROM]} if RESUMED_FROM in row else {}
        return {**index, **own, **seam}

    def _open_table(self) -> metrics.MetricLog:
        if self._table is None:
            suffix = metrics.chosen_format()
            path = metrics_path(self.home, self.run_id, self.asset, suffix)
            try:
                self._table = metrics.MetricLog(path)
            except metrics.TableDamaged as error:
                self._warn(f"{self.asset}: {error}; it is written anew")
                path.replace(path.with_name(f"{path.name}.damaged"))
                self._table = metrics.MetricLog(path)
        return self._table

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Returns the rows of its table, oldest first; none where it has none."""
        return self._table.rows if self._table else ()

    def mend(self) -> None:
        """Give the table the epochs that only the stream has: between the two a run can be ended."""
        self._known = None
        if not self.curve.rows:
            return
        there = {(row["timestamp"], row["epoch"]) for row in self._open_table().rows}
        if not {(row["timestamp"], row["epoch"]) for row in self.curve.rows} <= there:
            self._kept = False
            self._keep_rows()

    def is_behind(self) -> bool:
        """Says whether something could still not be written, as on a full disk; it is tried again first."""
        told, table = self.status.flush(), self._table is None or self._table.flush()
        return not (told and table)

    def close(self) -> None:
        """Put all of it on the disk. Idempotent."""
        self.status.close()
        if self._trail:
            self._trail.close()
        try:
            if self._table is not None:
                self._table.close()
        except (OSError, StoreError, ValueError) as error:
            self._warn(f"{self.asset}: its table of metrics misses the newest rows: {error}")


def _key(row: Row) -> tuple[Any, ...]:
    return row["timestamp"], row["epoch"], row["phase"]


def _own_time(event: Mapping[str, Any]) -> float:
    """Returns when the payload said it, in seconds since 1970:
    it may have waited for a reader; never in future.
    """
    now = time.time()
    said = event.get("t")
    return round(min(said, now) if said else now, 3)


def note_run(place: Path, home: Path, run_id: str, asset: str) -> None:
    """Write down for which asset of which run a payload works."""
    (place / RUN).write_text(json.dumps({"home": str(home), "run": run_id, "asset": asset}))


def unheard(place: Path, home: Path, run_id: str, asset: str) -> Iterator[dict[str, Any]]:
    """Yields what a payload that has ended has said and the stream of its run does not have."""
    known = {
        (event["kind"], event["t"], event.get("epoch"))
        for event in status.read(status_path(home, run_id))
        if event.get("asset") == asset
    }
    tail = MessageTail(place / MESSAGES, consumed(place))
    with contextlib.suppress(OSError, MessageError), tail.read_messages(_Deaf()):
        while True:
            for event in tail.events():
                if (event["event"], _own_time(event), event.get("epoch")) not in known:
                    yield event
            if not tail.behind:
                return


def write_down(place: Path) -> bool:
    """Give the run of a payload that has ended what it has not heard; nothing where its files are gone.

    Returns whether nothing is missing any more: on a full disk it is tried again later.
    """
    with contextlib.suppress(OSError, ValueError, KeyError):
        whose = json.loads((place / RUN).read_text())
        home, run_id, asset = Path(whose["home"]), whose["run"], whose["asset"]
        if not run_dir(home, run_id).is_dir():
            return True
        record, heard = RunRecord(home, run_id, asset, lambda _: None), 0
        record.follow(place.parent)
        record.mend()
        for event in unheard(place, home, run_id, asset):
            record.take(event)
            heard += 1
        behind = record.is_behind()
        record.close()
        if heard:
            manifest.retell(home, run_id)
        return not behind
    return True


class _Deaf:
    """Takes what the Pipes protocol says besides events."""

    def handle_message(self, message: object) -> None:
        """Ignore it: of a run that has ended nobody wants to know."""
