"""What was left after which fault: tests note a row each, and the table is shown at the end of them all.

The rows travel as properties of the test reports: from the processes that share the suite, and out of the
booted machines. ``$BLUT_FAULT_TABLE`` names a file to keep them in, one JSON object a line.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

FILE_ENV = "BLUT_FAULT_TABLE"
PROPERTY = "aftermath"
HEADS = ("fault", "backend", "outcome", "processes left", "artifacts lost", "seconds")


@dataclass(frozen=True)
class Row:
    """One line: what was done, to what, how it ended, and what was left. None: not asked, or not timed.

    Attributes:
        outcome: of the run, or of the unit where there is no run.
        seconds: from the fault until the last process was gone.
    """

    fault: str
    backend: str
    outcome: str
    processes_left: int
    artifacts_lost: int | None = None
    seconds: float | None = None


_noted: list[Row] = []


def note(row: Row) -> Row:
    """Keep a row of the test that runs."""
    _noted.append(row)
    return row


def hand_on(item: pytest.Item) -> None:
    """Give the rows noted since the last test to the report of this one."""
    item.user_properties += [(PROPERTY, json.dumps(asdict(row))) for row in _noted]
    _noted.clear()


def parse(properties: Iterable[tuple[str, object]]) -> list[Row]:
    """The rows among the properties of a test."""
    return [Row(**json.loads(str(value))) for name, value in properties if name == PROPERTY]


def summary(reporter: pytest.TerminalReporter) -> None:
    """The table of all tests."""
    reports = [report for kind in reporter.stats.values() for report in kind]
    ended = [report for report in reports if getattr(report, "when", "") == "teardown"]
    rows = sorted((row for report in ended for row in parse(report.user_properties)), key=_order)
    if rows:
        reporter.section("what was left after which fault")
        reporter.write_line(table(rows))
        if path := os.environ.get(FILE_ENV):
            Path(path).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def _order(row: Row) -> tuple[str, str]:
    return row.backend, row.fault


def table(rows: Iterable[Row]) -> str:
    """As aligned text."""
    shown = [["-" if value is None else str(value) for value in asdict(row).values()] for row in rows]
    lines = [list(HEADS), *shown]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEADS))]
    return "\n".join(
        "  ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )
