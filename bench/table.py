"""Rows, the printed table and the JSON file."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import Run, median

COLUMNS = ("benchmark", "case", "ours", "baseline", "ratio", "target", "meets")


@dataclass(frozen=True)
class Quantity:
    """One measured thing over the rounds; ``cpu`` are the CPU seconds beside a wall time."""

    unit: str
    values: Sequence[float]
    cpu: Sequence[float] = ()

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        text = f"{self.median:.4g}"
        if len(self.values) > 1 and min(self.values) != max(self.values):
            text += f" ({min(self.values):.3g}-{max(self.values):.3g})"
        text += f" {self.unit}".rstrip()
        return text + (f", {median(self.cpu):.3g} cpu" if self.cpu else "")


@dataclass(frozen=True)
class Target:
    """A bound on the ratio, on the ratio of every round or on our own value: ``Target("ratio", "<=", 2)``."""

    of: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.of} {self.sign} {self.bound:g}"

    def holds(self, value: float) -> bool:
        return value <= self.bound if self.sign == "<=" else value >= self.bound


@dataclass(frozen=True)
class Row:
    """One line: ours against a baseline of the same unit, both of the same rounds.

    Without ``base`` there is no ratio; without ``ours`` the line says in ``note`` why nothing was measured.
    """

    benchmark: str
    case: str
    ours: Quantity | None = None
    baseline: str = ""
    base: Quantity | None = None
    target: Target | None = None
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """Ours over the baseline, round by round."""
        if self.ours is None or self.base is None:
            return []
        return [a / b for a, b in zip(self.ours.values, self.base.values, strict=True) if b]

    @property
    def ratio(self) -> float | None:
        """The median over the rounds."""
        return median(self.ratios) if self.ratios else None

    @property
    def meets(self) -> str:
        """Whether the target is met. ``cpu``: only in CPU seconds, so others held the machine up."""
        if self.target is None or self.ours is None:
            return ""
        value = self._bounded(self.target)
        if value is not None and self.target.holds(value):
            return "yes"
        cpu = self._cpu()
        return "cpu" if cpu is not None and self.target.holds(cpu) else "no"

    def _bounded(self, target: Target) -> float | None:
        """What the target bounds; of every ratio, the one that is furthest from it."""
        if target.of == "every ratio" and self.ratios:
            return min(self.ratios) if target.sign == ">=" else max(self.ratios)
        return self.ratio if "ratio" in target.of else self.ours.median if self.ours else None

    def _cpu(self) -> float | None:
        if self.ours is None or not self.ours.cpu:
            return None
        if self.target and "ratio" not in self.target.of:
            return median(self.ours.cpu)
        base = self.base.cpu if self.base else ()
        return median([a / b for a, b in zip(self.ours.cpu, base, strict=True)]) if base else None

    def cells(self) -> tuple[str, ...]:
        base = f"{self.base} {self.baseline}" if self.base else self.baseline
        ratio = ""
        if self.ratio is not None:
            ratio = f"{self.ratio:.3g}"
            ratio += f" ({min(self.ratios):.2g}-{max(self.ratios):.2g})" if len(self.ratios) > 1 else ""
        ours = str(self.ours) if self.ours else "-"
        return self.benchmark, self.case, ours, base, ratio, str(self.target or ""), self.meets

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "ratios": self.ratios, "meets": self.meets}


def wall(runs: Sequence[Run]) -> Quantity:
    """Wall and CPU seconds of runs."""
    return Quantity("s", [r.wall for r in runs], [r.cpu for r in runs])


def peak(runs: Sequence[Run]) -> Quantity:
    """Peak memory of runs."""
    return Quantity("MB", [round(r.rss_mb, 1) for r in runs])


def skipped(benchmark: str, case: str, why: str) -> Row:
    """A line for what could not be measured here."""
    return Row(benchmark, case, note=why)


def render(rows: Iterable[Row]) -> str:
    """The rows as aligned text, notes below their line."""
    listed = list(rows)
    cells = [COLUMNS, *(row.cells() for row in listed)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    for number, row in reversed(list(enumerate(listed, 1))):
        if row.note:
            lines.insert(number + 1, f"    {row.note}")
    return "\n".join(lines)


def write_json(path: Path, rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Write everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": "blut.bench.v1", **about, "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
