"""Says what a view of the cockpit is: what is wanted of it, and what earlier looks have found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from blut_assets.cli.cockpit.drawing import DrawnRow

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.cli.views.live import LiveRun
    from blut_assets.cli.views.log import RunLog, RunStream

MOST = 200
"""Rows of a view at most; a command lists the others."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class LookWanted:
    """Says what is to be read: a view, the run that it is about, and whether in its other form."""

    pane: str
    run: str = ""
    other: bool = False
    """A log the run's own stream of events, curves by the logarithm of their values."""
    asked: str = ""
    """What else it is about, as text: the draft of a run, the runs that are marked."""
    anew: bool = False
    """Read it whatever has changed, and look again for what is looked for once."""


@dataclass
class LooksBefore:
    """Keeps what earlier looks at one instance have found, so that the next reads only what is new."""

    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    live: "dict[str, LiveRun]" = field(default_factory=dict)
    listed: Rows = field(default_factory=list)
    """The runs of the last look, and beside them what that look was of."""
    listed_of: tuple[Any, ...] = ()
    log: "tuple[str, bool, RunLog | RunStream] | None" = None
    events: Rows = field(default_factory=list)
    findings: Rows = field(default_factory=list)
    partly: bool = False
    """Whether the last look has left some rows to the next."""


class Pane(Protocol):
    """Reads rows and draws them; one object a view, which keeps nothing."""

    key: str
    title: str
    nothing: str
    """What is told where there is no row."""

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns rows, those that a command prints with ``--json``; called in the thread that reads."""
        ...

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        ...

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each row, no line of it wider than that."""
        ...


def filtered(entries: Sequence[DrawnRow], wanted: str) -> list[DrawnRow]:
    """Returns the entries that contain a text, whatever its case."""
    wanted = wanted.lower()
    return [one for one in entries if wanted in " ".join(one.lines).lower()]


def fuzzy(entries: Sequence[DrawnRow], wanted: str) -> list[DrawnRow]:
    """Returns the entries that have the letters of a text in this order, those with the closest first."""
    found = [(span, one) for one in entries if (span := _span(one.key.lower(), wanted.lower())) is not None]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _span(text: str, wanted: str) -> int | None:
    """Returns over how many characters the letters of a text are spread at least; None if one is missing."""
    spans: list[int] = []
    for begin in [at for at, letter in enumerate(text) if wanted[:1] == letter]:
        at = begin
        for letter in wanted:
            at = text.find(letter, at) + 1
            if not at:
                break
        else:
            spans.append(at - begin)
    return min(spans, default=None) if wanted else 0
