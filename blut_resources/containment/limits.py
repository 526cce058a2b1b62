"""Defines what a unit may use, finds from where that was said, and refuses what makes no sense."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from blut_resources.machine.amounts import parse_duration, parse_size, refused, size_of
from blut_resources.settings import origin

BackendName = Literal["auto", "systemd", "cgroup2", "cgroup1", "rlimit", "none"]
Mode = Literal["required", "best-effort"]

_LEAST = 1 << 20
"""No program starts in less; whoever writes ``44`` means something else."""


def _memory(value: object, field: str) -> int:
    size = parse_size(value, field)
    if size < _LEAST:
        raise refused(field, value, f'{size} bytes are not enough for any program; did you mean "{size}G"?')
    return size


def _swap(value: object, field: str) -> int:
    """Returns bytes as `parse_size` does, but zero is the usual answer here: no swap at all."""
    return 0 if size_of(value) == 0 else parse_size(value, field)


def _count(low: int, high: int) -> Callable[[object, str], int]:
    def parse(value: object, field: str) -> int:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and re.fullmatch(r"[+-]?\d{1,18}", text):
            text = int(text)
        if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
            raise refused(field, value, f"must be a whole number from {low} to {high}; leave it out for none")
        return text

    return parse


def _cpus(value: object, field: str) -> float:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and re.fullmatch(r"\d{1,5}(\.\d{1,3})?", text):
        text = float(text)
    if not isinstance(text, int | float) or isinstance(text, bool) or not 0.01 <= text <= 65_536:
        remedy = "must be a number of CPUs from 0.01 to 65536, such as 4 or 1.5; leave it out for all"
        raise refused(field, value, remedy)
    return float(text)


def _one_of(choices: tuple[str, ...]) -> Callable[[object, str], str]:
    def parse(value: object, field: str) -> str:
        if value not in choices:
            raise refused(field, value, f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


_PARSERS: dict[str, tuple[str, Callable[[object, str], Any]]] = {
    "memory_max": ("BLUT_MEMORY_MAX", _memory),
    "memory_high": ("BLUT_MEMORY_HIGH", _memory),
    "swap_max": ("BLUT_SWAP_MAX", _swap),
    "tasks_max": ("BLUT_TASKS_MAX", _count(1, 4_194_304)),
    "cpu_weight": ("BLUT_CPU_WEIGHT", _count(1, 10_000)),
    "cpus": ("BLUT_CPUS", _cpus),
    "wall_clock_s": ("BLUT_WALL_CLOCK", parse_duration),
    "backend": ("BLUT_CONTAINMENT", _one_of(get_args(BackendName))),
    "mode": ("BLUT_CONTAINMENT_MODE", _one_of(get_args(Mode))),
}


def variable_of(field: str) -> str:
    """Returns the environment variable that says a field of `Limits`; empty for one that has none."""
    return _PARSERS[field][0] if field in _PARSERS else ""


@dataclass(frozen=True)
class Limits:
    """Says what one unit may use. None means no limit.

    Attributes:
        memory_max: bytes of the whole tree; the unit is killed beyond.
        memory_high: bytes beyond which the tree is slowed down and reclaimed from.
        swap_max: bytes of swap, besides memory.
        tasks_max: processes and threads.
        cpu_weight: share of the CPU when there is not enough, 1 to 10000, usually 100.
        cpus: how many CPUs' worth of time the tree gets at most, also while others are idle.
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
    cpus: float | None = None
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
            raise refused("memory_high", self.memory_high, remedy)

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
                raise refused(
                    name, {**defaults, **args}[name], f"no such limit; there are {', '.join(_PARSERS)}"
                )
        said = {}
        for field, (variable, parse) in _PARSERS.items():
            sources = (
                (field, args.get(field)),
                (origin(variable), env.get(variable) or None),
                (field, defaults.get(field)),
            )
            for source, value in sources:
                if value is not None:
                    said[field] = parse(value, source)
                    break
        return cls(**said)
