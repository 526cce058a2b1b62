"""Says what is wrong with a row, so that it can be mended: ``file:line: field: what is wrong: remedy``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from blut_resources.text import one_line

OnBadRow = Literal["fail", "drop"]

LISTED = 20
"""Problems that an error message lists."""

LISTED_PER_KIND = 5
LISTED_CHARACTERS = 3000
"""What of an error message a failed run is sure to show is a little more than this."""

ALWAYS_COUNTED = ("control token", "empty answer", "role", "too long")
LONGEST = 200
"""Characters of a file's name that are shown."""
KEPT = 1000
"""Problems that a report keeps; all are counted."""


class DataError(Exception):
    """Says that data as a whole cannot be used; the message is written for a person."""


class RowError(Exception):
    """Says that one row cannot be used. ``kind`` is the word under which it is counted."""

    def __init__(self, kind: str, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}: {remedy}")
        self.kind, self.where, self.what, self.remedy = kind, where, what, remedy

    def at(self, file: str, line: int) -> "Problem":
        """Returns the problem of the row at this place."""
        return Problem(file, line, self.where, self.what, self.remedy, self.kind)


@dataclass(frozen=True)
class Problem:
    """Says what is wrong where; ``file`` is relative to what the user named."""

    file: str
    line: int
    field: str
    what: str
    remedy: str
    kind: str

    @property
    def place(self) -> str:
        """Says where it is: file and line."""
        return f"{one_line(self.file, LONGEST)}:{self.line}" if self.file else f"line {self.line}"

    def __str__(self) -> str:
        return one_line(": ".join(filter(None, (self.place, self.field, self.what, self.remedy))))


@dataclass
class Problems:
    """Holds the problems found so far, counted by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it if it is among the first."""
        self.counts[problem.kind] += 1
        if len(self.kept) < KEPT:
            self.kept.append(problem)

    @property
    def total(self) -> int:
        """Returns how many there are."""
        return self.counts.total()

    def message(self) -> str:
        """Returns the first few problems of each kind, in the order of the file, and how many there are."""
        lines: list[str] = []
        for problem in self._shown():
            if sum(map(len, lines)) < LISTED_CHARACTERS:
                lines.append(str(problem))
        if len(lines) < self.total:
            lines.append(f"… and {self.total - len(lines)} more")
        lines.append("rows not usable: " + self.summary())
        return "\n".join(lines)

    def summary(self) -> str:
        """Says how many there are of each kind."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items())) or "none"

    def as_dict(self) -> dict[str, Any]:
        """Returns the counts by kind, and those that are listed."""
        counts = {**dict.fromkeys(ALWAYS_COUNTED, 0), **self.counts}
        return {"by_kind": dict(sorted(counts.items())), "listed": [asdict(one) for one in self.kept]}

    def _shown(self) -> Sequence[Problem]:
        seen: Counter[str] = Counter()
        shown: list[Problem] = []
        for problem in self.kept:
            seen[problem.kind] += 1
            if seen[problem.kind] <= LISTED_PER_KIND or len(self.counts) == 1:
                shown.append(problem)
        return shown[:LISTED]


def shorten(value: Any, limit: int = 40) -> str:
    """Returns a value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
