"""Defines how a unit ended, as a type: in a sentence, as metadata, and whether to try again."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from blut_resources.containment.backends.base import OUTCOME, STOPPED, SUPERVISED
from blut_resources.machine import wire
from blut_resources.machine.memory import size_text

Kind = Literal["ok", "exit", "signal", "oom-kill", "timeout", "cancelled", "lost"]


@dataclass(frozen=True)
class Outcome:
    """Says how a unit ended.

    Attributes:
        kind: ``lost`` if nobody saw the end, because the supervisor was killed.
        code: exit status of the command, if it exited; also where something else is the cause.
        signal: number of the signal that ended it.
        limit: bytes of memory that the whole tree might use; None without a limit.
        peak: bytes it used at most, caches of files included; None where nobody counted.
        whose: of an oom-kill, whether this unit's own limit was reached or that of an ancestor, which may
            be the machine.
        detail: what else is known.
    """

    kind: Kind
    code: int | None = None
    signal: int | None = None
    limit: int | None = None
    peak: int | None = None
    whose: Literal["own", "ancestor"] | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Says whether it ended by itself with status 0."""
        return self.kind == "ok"

    @property
    def retry(self) -> bool:
        """Says whether the same thing could end better with the same limits."""
        return self.kind in ("exit", "signal", "timeout", "lost")

    def describe(self) -> str:
        """Returns one sentence without a full stop, with the remedy for a lack of memory."""
        said = {
            "ok": "ended normally",
            "exit": f"exit status {self.code}",
            "signal": f"killed by {_signal_name(self.signal)}",
            "oom-kill": self._out_of_memory(),
            "timeout": "stopped, because its wall-clock limit was reached",
            "cancelled": "cancelled",
            "lost": "nobody saw how it ended",
        }[self.kind]
        return f"{said} ({self.detail})" if self.detail else said

    def _out_of_memory(self) -> str:
        peak = f"at {size_text(self.peak)}" if self.peak is not None else "at an unknown size"
        if self.whose == "own" and self.limit is not None:
            return (
                f"killed {peak}, because its memory limit of {size_text(self.limit)} was reached; raise "
                "memory_max ($BLUT_MEMORY_MAX), or let it use less (smaller batches, fewer workers)"
            )
        limit = (
            f"of its own {size_text(self.limit)}" if self.limit is not None else "without a limit of its own"
        )
        return (
            f"killed {peak} {limit}, because the machine or a group around it ran out of memory; run fewer "
            "things at once, or give each a memory_max ($BLUT_MEMORY_MAX) so that they fit together"
        )

    def as_metadata(self) -> dict[str, str | int]:
        """Returns what is known, by field name; ``outcome`` for the kind, and the sentence."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return {"outcome": known.pop("kind"), "outcome_text": self.describe(), **known}


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def read_outcome(place: Path) -> Outcome | None:
    """Returns what the files of an ended unit say; None if it has not ended, or nothing recorded its end."""
    written = wire.read(place / OUTCOME) or wire.read(place / SUPERVISED)
    if written:
        known = {field.name for field in fields(Outcome)}
        return Outcome(**{name: value for name, value in written.items() if name in known})
    stopped = wire.read(place / STOPPED)
    return _recorded(stopped) if stopped else None


def _recorded(stopped: dict[str, Any]) -> Outcome:
    """Returns what systemd's recorder has seen: the supervisor was killed with its unit."""
    limit, peak = stopped.get("limit"), stopped.get("peak")
    if stopped.get("result") == "oom-kill" or stopped.get("oom_kill"):
        killed = int(signal.SIGKILL)  # an enum is no metadata: the event of the failure would be lost
        return Outcome("oom-kill", signal=killed, limit=limit, peak=peak, whose=_whose(stopped))
    detail = "systemd says {result}: main process {code}, {status}".format(
        **{name: stopped.get(name) or "?" for name in ("result", "code", "status")}
    )
    kind = "timeout" if stopped.get("result") == "timeout" else "lost"
    return Outcome(kind, limit=limit, peak=peak, detail=detail)


def _whose(stopped: dict[str, Any]) -> Literal["own", "ancestor"]:
    if stopped.get("oom") is not None:
        return "own" if stopped["oom"] else "ancestor"
    limit, peak = stopped.get("limit"), stopped.get("peak")
    # version 1 counts kills only; memory is charged in batches, so the limit itself may be missed a little
    return "own" if limit and peak and peak >= limit - (512 << 10) else "ancestor"
