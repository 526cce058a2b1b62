"""Defines what a unit may use, finds from where that was said, and refuses what makes no sense.

Sizes are bytes, or text with a binary suffix (``"44G"``, ``"512MiB"``). Durations are seconds, or text with
``s``, ``m``, ``h`` or ``d``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from blut_resources.text import one_line

BackendName = Literal["auto", "systemd", "cgroup2", "cgroup1", "rlimit", "none"]
Mode = Literal["required", "best-effort"]

_UNITS = {letter: 1024 ** (power + 1) for power, letter in enumerate("KMGTP")}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = r"\s*(\d{1,20}(?:\.\d{1,20})?)\s*"
_SIZE = re.compile(_NUMBER + r"(?:([KMGTP])(?:i?B)?|B)?\s*", re.IGNORECASE)
_DURATION = re.compile(_NUMBER + r"([smhd]?)\s*", re.IGNORECASE)
_LARGEST = 1 << 60
_LEAST = 1 << 20
"""No program starts in less; whoever writes ``44`` means something else."""


class LimitsError(ValueError):
    """Says that a limit makes no sense; the message names its source, the value and what would do."""


def _refuse(field: str, value: object, remedy: str) -> LimitsError:
    huge = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST
    shown = "a number of more than 60 bits" if huge else one_line(repr(value), 100)
    return LimitsError(f"{field}={shown}: {remedy}")


def parse_size(value: object, field: str = "size") -> int:
    """Returns bytes. K, M, G, T and P are powers of 1024, with or without ``B`` or ``iB``.

    Raises:
        LimitsError: zero, negative, not finite, or not a size.
    """
    size = _size(value)
    if size is None or size > _LARGEST:
        raise _refuse(field, value, 'not a size; say it as bytes or like "44G" or "512MiB"')
    if size < 1:
        raise _refuse(field, value, "must be more than zero; leave it out for no limit")
    return size


def _size(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return int(float(found[1]) * _UNITS.get((found[2] or "").upper(), 1)) if found else None


def parse_duration(value: object, field: str = "duration") -> float:
    """Returns seconds, of ``"90s"``, ``"30m"``, ``"2h"``, ``"1d"`` or a number.

    Raises:
        LimitsError: zero, negative, not finite, or not a duration.
    """
    seconds = _duration(value)
    if seconds is None or not math.isfinite(seconds):
        raise _refuse(field, value, 'not a duration; say it as seconds or like "90s", "30m" or "2h"')
    if seconds <= 0:
        raise _refuse(field, value, "must be more than zero; leave it out for no limit")
    return seconds


def _duration(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < _LARGEST else None
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _SECONDS[found[2].lower()] if found else None


def _memory(value: object, field: str) -> int:
    size = parse_size(value, field)
    if size < _LEAST:
        raise _refuse(field, value, f'{size} bytes are not enough for any program; did you mean "{size}G"?')
    return size


def _swap(value: object, field: str) -> int:
    """Returns bytes as `parse_size` does, but zero is the usual answer here: no swap at all."""
    return 0 if _size(value) == 0 else parse_size(value, field)


def _count(low: int, high: int) -> Callable[[object, str], int]:
    def parse(value: object, field: str) -> int:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and re.fullmatch(r"[+-]?\d{1,18}", text):
            text = int(text)
        if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
            raise _refuse(field, value, f"must be a whole number from {low} to {high}; leave it out for none")
        return text

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[object, str], str]:
    def parse(value: object, field: str) -> str:
        if value not in choices:
            raise _refuse(field, value, f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


_PARSERS: dict[str, tuple[str, Callable[[object, str], Any]]] = {
    "memory_max": ("BLUT_MEMORY_MAX", _memory),
    "memory_high": ("BLUT_MEMORY_HIGH", _memory),
    "swap_max": ("BLUT_SWAP_MAX", _swap),
    "tasks_max": ("BLUT_TASKS_MAX", _count(1, 4_194_304)),
    "cpu_weight": ("BLUT_CPU_WEIGHT", _count(1, 10_000)),
    "wall_clock_s": ("BLUT_WALL_CLOCK", parse_duration),
    "backend": ("BLUT_CONTAINMENT", _one_of(get_args(BackendName))),
    "mode": ("BLUT_CONTAINMENT_MODE", _one_of(get_args(Mode))),
}


@dataclass(frozen=True)
class Limits:
    """Says what one unit may use. None means no limit.

    Attributes:
        memory_max: bytes of the whole tree; the unit is killed beyond.
        memory_high: bytes beyond which the tree is slowed down and reclaimed from.
        swap_max: bytes of swap, besides memory.
        tasks_max: processes and threads.
        cpu_weight: share of the CPU when there is not enough, 1 to 10000, usually 100.
        wall_clock_s: seconds until the unit is stopped.
        backend: what holds the unit; ``auto`` takes the strongest that provably does.
        mode: ``required`` refuses to start where the memory limit is not enforced; ``best-effort`` starts
            anyway and says so. None: required as soon as ``memory_max`` is set.
    """

    memory_max: int | None = None
    memory_high: int | None = None
    swap_max: int = 0
    tasks_max: int | None = None
    cpu_weight: int | None = None
    wall_clock_s: float | None = None
    backend: BackendName = "auto"
    mode: Mode | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _PARSERS[field.name][1](value, field.name))
        if self.memory_high and self.memory_max and self.memory_high > self.memory_max:
            remedy = (
                f"is above memory_max={self.memory_max}, so it would do nothing; lower it or leave it out"
            )
            raise _refuse("memory_high", self.memory_high, remedy)

    @property
    def required(self) -> bool:
        """Says whether an unenforced memory limit is a reason not to start."""
        return self.mode == "required" if self.mode else self.memory_max is not None

    @classmethod
    def resolve(cls, args: Mapping[str, Any], env: Mapping[str, str], defaults: Mapping[str, Any]) -> Limits:
        """Decide field by field: what ``args`` says, else the environment, else ``defaults``.

        None is not said.

        Raises:
            LimitsError: naming the variable (``$BLUT_MEMORY_MAX``) or the field.
        """
        for name in [*args, *defaults]:
            if name not in _PARSERS:
                raise _refuse(
                    name, {**defaults, **args}[name], f"no such limit; there are {', '.join(_PARSERS)}"
                )
        said = {}
        for field, (variable, parse) in _PARSERS.items():
            sources = (
                (field, args.get(field)),
                (f"${variable}", env.get(variable) or None),
                (field, defaults.get(field)),
            )
            for source, value in sources:
                if value is not None:
                    said[field] = parse(value, source)
                    break
        return cls(**said)
