"""Writes what a payload reports into the files of its run; also what it said when its run did not hear it.

A payload that is stopped has a grace period, in which it may end an epoch. Its run reads on until nothing of
it is left; where the run was killed, whoever finds what that left writes the rest down.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.files.durable import StoreError
from blut_resources.payloads.events import MessageError
from blut_resources.payloads.messages import MESSAGES, MessageTail, consumed
from blut_resources.runs import manifest, metrics, status
from blut_resources.runs.files import metrics_path, run_dir, status_path

RUN = "run.json"
PASSED_ON = ("checkpoint", "diverged", "gpu_starved", "uncounted")
"""Events of a payload whose fields say all there is to say."""


class RunRecord:
    """Writes the stream of events of a run, and the table of one of its assets.

    Nothing here ends a training.
    """

    def __init__(self, home: Path, run_id: str, asset: str, warn: Callable[[str], object]) -> None:
        self.home, self.run_id, self.asset, self._warn = home, run_id, asset, warn
        self.status = status.Status(status_path(home, run_id))
        self._table: metrics.MetricLog | None = None
        self._step: int | None = None

    def take(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Write down what a payload reports; of an epoch, the row that a tracker gets."""
        kind = event["event"]
        facts = {name: value for name, value in event.items() if name not in ("event", "t")}
        when = {"t": _own_time(event)}
        if kind == "step":
            self._step = event["step"]
            shown = {name: facts[name] for name in ("step", "of", "share", "values") if name in facts}
            self.status.step(self.asset, **shown, **when)
        elif kind == "epoch":
            return self._epoch(event, when["t"])
        elif kind in PASSED_ON:
            self.status.write(kind, self.asset, durable=kind != "checkpoint", **facts, **when)
        return None

    def _epoch(self, event: Mapping[str, Any], when: float) -> dict[str, Any]:
        shown = {
            "epoch": event["epoch"],
            "step": self._step if event.get("step") is None else event["step"],
            "phase": event.get("phase", "train"),
        }
        self.status.write("epoch", self.asset, durable=True, t=when, **shown, metrics=event["metrics"])
        self._row({**shown, "metrics": event["metrics"]}, when)
        return {**event["metrics"], **shown}

    def _row(self, event: Mapping[str, Any], when: float) -> None:
        """Write a row with its index columns first:
        a metric that has the name of one does not take its place.
        """
        index = {
            "run_id": self.run_id,
            "asset": self.asset,
            **{name: event[name] for name in ("epoch", "step", "phase")},
            "timestamp": when,
        }
        try:
            self._open_table().append(
                {**index, **{k: v for k, v in event["metrics"].items() if k not in index}}
            )
        except (OSError, StoreError, ValueError) as error:
            self._warn(f"{self.asset}: this epoch is not in its table of metrics yet: {error}")

    def _open_table(self) -> metrics.MetricLog:
        if self._table is None:
            suffix = metrics.chosen_format()
            self._table = metrics.MetricLog(metrics_path(self.home, self.run_id, self.asset, suffix))
        return self._table

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Returns the rows of its table, oldest first; none where it has none."""
        return self._table.rows if self._table else ()

    def mend(self) -> list[dict[str, Any]]:
        """Give the table the epochs that only the stream has: between the two a run can be ended.

        They come as rows for a tracker, which had them even later.
        """
        path = status_path(self.home, self.run_id)
        told = [e for e in status.read(path) if e["kind"] == "epoch" and e.get("asset") == self.asset]
        rows = {(row["timestamp"], row["epoch"]) for row in self._open_table().rows} if told else set()
        mended = [event for event in told if (event["t"], event["epoch"]) not in rows]
        for event in mended:
            self._row(event, event["t"])
        return [{**e["metrics"], **{name: e[name] for name in ("epoch", "step", "phase")}} for e in mended]

    def is_behind(self) -> bool:
        """Says whether something could still not be written, as on a full disk; it is tried again first."""
        told, table = self.status.flush(), self._table is None or self._table.flush()
        return not (told and table)

    def close(self) -> None:
        """Put all of it on the disk. Idempotent."""
        self.status.close()
        try:
            if self._table is not None:
                self._table.close()
        except (OSError, StoreError, ValueError) as error:
            self._warn(f"{self.asset}: its table of metrics misses the newest rows: {error}")


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
