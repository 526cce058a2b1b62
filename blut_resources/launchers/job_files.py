"""Reads what a job leaves on the share: that it has begun, that it lives, what it says, how it has ended."""

import time
from pathlib import Path
from typing import Any

from blut_resources.launchers.files import BEAT, REFUSED, UP, newest_attempt, outcome_file
from blut_resources.launchers.streams import Streams
from blut_resources.machine import wire


class JobFiles:
    """Follows the files of the attempt that counts.

    Attributes:
        up: where and how it runs; None before it does.
        beat: its newest sign of life; empty before the first.
    """

    def __init__(self, place: Path) -> None:
        self._place, self._streams = place, Streams(place)
        self.up: dict[str, Any] | None = None
        self.beat: dict[str, Any] = {}
        self._alive_at, self._gauged = time.monotonic(), 0.0

    def has_begun(self, number: int) -> bool:
        """Says whether an attempt runs that did not at the last look."""
        if self.up and self.up["attempt"] == number:
            return False
        found = wire.read(self._place / UP)
        if not found or found["attempt"] != number:
            return False
        self.up = found
        return True

    def follow(self, number: int) -> dict[str, Any] | None:
        """Take in what an attempt has said; returns how it has ended, or None."""
        found = wire.read(self._place / BEAT)
        if found and found["attempt"] == number and found["time"] != self.beat.get("time"):
            self.beat, self._alive_at = found, time.monotonic()
        self._streams.follow(number)
        return wire.read(outcome_file(self._place, number))

    def hear_out(self, number: int) -> None:
        """Take in all that an attempt has said: it says nothing more."""
        while self._streams.follow(number, to_end=True):
            pass

    def refusal(self, number: int | None) -> str:
        """Says why an attempt did not start what was ordered; empty if it did."""
        found = wire.read(self._place / REFUSED)
        return str(found["said"]) if found and found["attempt"] == number else ""

    def newest(self) -> int | None:
        """Returns the number of the attempt that counts; None before the first."""
        return newest_attempt(self._place)

    def quiet_s(self) -> float:
        """Returns the seconds since its last sign of life."""
        return time.monotonic() - self._alive_at

    def readings(self) -> list[dict[str, Any]]:
        """Returns what was measured of it since the last time."""
        if not self.beat.get("seen") or self.beat["at"] <= self._gauged:
            return []
        self._gauged = self.beat["at"]
        return list(self.beat["seen"])
