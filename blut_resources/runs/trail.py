"""Keeps what all attempts at one training have reported, beside the state from which the next one goes on.

It lies in the work directory of a fingerprint, so another run finds it, also where the one before was
deleted, or was of another instance; it goes with the state when the result is stored.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.runs import status
from blut_resources.runs.curve import EpochCurve, Event
from blut_resources.runs.files import status_path

TRAIL, OLDER = "trail.jsonl", "epochs.jsonl"
"""Its name, and that of what older versions kept there: rows without their time and run."""
OVER = "taken_over"


@dataclass(frozen=True)
class SavedState:
    """Describes a checkpoint that was reported: after which epoch, its file, when, by which run."""

    epoch: float
    path: Path
    t: float
    run: str


class Trail:
    """Appends to the trail of one asset, for one run."""

    def __init__(self, work: Path, run_id: str, asset: str) -> None:
        self._path, self._older, self._asset = work / TRAIL, work / OLDER, asset
        self._run = run_id
        self._events = status.Status(self._path, max_bytes=0)

    def begin(self, home: Path, *, taken_over: bool) -> None:
        """Note that a run begins here; ``taken_over``: that what it works with was never interrupted."""
        self._events.write(OVER if taken_over else "asset_started", home=str(home), run=self._run)

    def epoch(self, event: Mapping[str, Any]) -> None:
        """Note an epoch as the stream of the run has it."""
        self._events.write("epoch", durable=True, run=self._run, **event)

    def checkpoint(self, event: Mapping[str, Any]) -> None:
        """Note that there is a state to go on from."""
        self._events.write("checkpoint", run=self._run, **event)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._events.close()

    def curve(self) -> EpochCurve:
        """Returns what all attempts so far come to.

        What a run had no room to note here, its own stream may have, as long as the run is not deleted.
        """
        curve, events = EpochCurve(), list(status.read(self._path)) or list(self._read_older())
        runs = [event["run"] for event in events if event["kind"] in ("asset_started", OVER)]
        for run, noted in itertools.groupby(events, lambda event: event["run"]):
            for event in self._fuller(run, list(noted)) if runs.count(run) == 1 else noted:
                curve.take({**event, "run": run})
        return curve

    def state(self) -> SavedState | None:
        """Returns the newest checkpoint whose file is still there."""
        found = [event for event in status.read(self._path) if event["kind"] == "checkpoint"]
        for event in reversed(found):
            if (path := Path(event["path"])).exists():
                return SavedState(event["epoch"], path, event["t"], event["run"])
        return None

    def _fuller(self, run: str, noted: list[Event]) -> list[Event]:
        begun = noted[0]
        if begun["kind"] != "asset_started":
            return noted
        stream = status.read(status_path(Path(begun["home"]), run))
        kinds = ("asset_started", "epoch")
        told: list[Event] = [e for e in stream if e.get("asset") == self._asset and e["kind"] in kinds]
        return told if _epochs(told) > _epochs(noted) else noted

    def _read_older(self) -> Iterator[dict[str, Any]]:
        try:
            when, lines = self._older.stat().st_mtime, self._older.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                row = json.loads(line)
                number = float(row.pop("epoch"))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue  # whoever wrote it was killed
            number = int(number) if number.is_integer() else number
            yield {"kind": "epoch", "t": when, "run": "", "epoch": number, "metrics": row}


def _epochs(events: list[Event]) -> int:
    return sum(event["kind"] == "epoch" for event in events)
