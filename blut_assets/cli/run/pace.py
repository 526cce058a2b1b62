"""Tells how far a run at work is, by its own stream of events."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_assets.terminal.output import duration, numbers
from blut_resources.machine.memory import size_text
from blut_resources.machine.processes import descendants, read
from blut_resources.runs import status
from blut_resources.runs.pace import DOING, TimeLeft

PAGE = os.sysconf("SC_PAGE_SIZE")


class Pace:
    """Says how far the asset in work is, when it should be done, and what memory it takes.

    Its pace is that of its steps where it says how many there will be, else that of its epochs.
    """

    def __init__(self, stream: Path, epochs: Mapping[str, int]) -> None:
        """Read ``stream``, the run's status.jsonl; ``epochs`` is how many each asset is to have."""
        self._stream, self._epochs, self._after = stream, epochs, 0
        self.begin("")

    def begin(self, asset: str, since: float | None = None) -> None:
        """Turn to another asset, which is in work now, or was at a time in seconds since 1970."""
        self.asset, self._since, self.memory = asset, time.time() if since is None else since, 0
        self._unit = self.at = self.values = ""
        self._left = TimeLeft()

    def look(self) -> None:
        """Take what the stream has had since the last look."""
        for event in status.read(self._stream, self._after):
            self._after = event["offset"]
            self.take(event)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event of the stream."""
        if event["kind"] in ("epoch", "step"):
            self._note(event["kind"], event)
        elif event["kind"] == "gauge":
            self.memory = int(event.get("values", event).get("memory_bytes", 0))

    def _note(self, unit: str, event: Mapping[str, Any]) -> None:
        if event["asset"] != self.asset:
            if event["t"] < self._since:
                return  # what the asset before said last
            self.begin(event["asset"])
        if unit == "epoch" and self._unit == "step":
            return  # its steps say more
        number = float(event[unit])
        total = self._epochs.get(self.asset) if unit == "epoch" else event.get("of")
        if unit == "epoch" or total or not self._unit:
            self.at = f"{unit} {number:g}{f'/{total}' if total else ''}"
            self.values = numbers(event.get("metrics", event.get("values", {})))
        if doing := event.get("values", {}).get(DOING):
            self.at, self.values = f"{doing}{f' {number:g}/{total}' if total else ''}", ""
        if total and unit != self._unit:
            self._unit, self._left = unit, TimeLeft()
        if unit == self._unit:
            share = event.get("share")
            self._left.note(number if share is None else share, total if share is None else 1, event["t"])

    def left_s(self) -> float | None:
        """Returns the seconds until the last step or epoch; None where nobody can tell."""
        return self._left.seconds()

    def line(self) -> str:
        """Returns the line at the bottom; a narrow terminal cuts off its end, hence the order."""
        if not self.asset:
            return "..."
        left, memory = self.left_s(), self.memory or resident_below(os.getpid())
        parts = [self.asset, self.at, duration(max(0.0, time.time() - self._since))]
        parts += [f"ETA {duration(left)}"] if left is not None else []
        parts += [size_text(memory)] if memory else []
        # the loss first, whatever the order in which a payload reports
        parts += sorted(self.values.split(), key=lambda value: not value.startswith("loss="))
        return "  ".join(filter(None, parts))


def resident_below(pid: int) -> int:
    """Returns the bytes that the descendants of a process have of their own in memory."""
    return sum(_resident(child) for child in descendants(pid) - {pid})


def _resident(pid: int) -> int:
    fields = read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if fields else 0
