"""What owners do in these tests: commands, and launches that end in a JSON of the outcome."""

import os
import select
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blut_resources.containment.launching import launch
from blut_resources.containment.limits import Limits
from blut_resources.containment.unit import Unit
from tests.aftermath import Row, note
from tests.owners import PATIENCE_S, Owner, Who, processes

MIB = 1 << 20
SMALL = 40 * MIB
"""A limit that takes a second to reach: page faults are slow in the booted machine."""
PYTHON = [sys.executable, "-I", "-S"]
HOG = "import sys\nkept = [bytearray(4 << 20) for _ in range(int(sys.argv[1]) // 4)]"
STUBBORN = "trap '' TERM; echo ready; sleep 300; true"
"""A shell: Python may take seconds to start here. The last word keeps it from becoming the sleep."""


def hog(mib: int) -> list[str]:
    """Uses that much memory and ends."""
    return [*PYTHON, "-c", HOG, str(mib)]


def shell(script: str, *words: str) -> list[str]:
    """A shell with the words as $1, $2, ..."""
    return ["/bin/sh", "-c", script, "sh", *words]


def with_stubborn_grandchild(script: str, marker: str) -> list[str]:
    """Runs a script beside a grandchild in a session of its own that ignores SIGTERM once it said ready."""
    child = f'setsid sh -c "$2" "$1" & {script}; sleep 300 & wait'
    return shell(child, marker, STUBBORN)


def start(who: Who, place: Path, command: list[str], *, name: str = "test", **options: Any) -> Unit:
    """Launch as the owner that this process is."""
    own = {"grace_s": 5.0, "on_orphan": "kill"}
    settings = {key: options.pop(key) for key in list(options) if key in own}
    limits = Limits(backend=who.backend, **options)  # pyright: ignore[reportArgumentType]
    return launch(
        command,
        env={"PATH": os.environ["PATH"], "SECRET": "hunter2"},
        cwd=Path("/"),
        limits=limits,
        place=place,
        name=name,
        **{**own, **settings},
    )


def running(unit: Unit) -> bool:
    """Whether it has not ended yet."""
    return not select.select([unit], [], [], 0)[0]


def assert_nothing_is_left(who: Who, fault: str, outcome: str, marker: str, seconds: float | None) -> None:
    """No process with that marker; ``seconds`` after the fault, grace period included. Notes a row."""
    left = processes(marker)
    took = None if seconds is None else round(seconds, 1)
    note(Row(fault, f"{who.backend}, {who.name}", outcome, len(left), None, took))
    assert not left


def to_end(who: Who, place: Path, command: list[str], **options: Any) -> Callable[[Owner], Any]:
    """Launch and wait; the outcome and what enforced."""

    def act(_: Owner) -> Any:
        with start(who, place, command, **options) as unit:
            return {"outcome": asdict(unit.wait(PATIENCE_S)), "enforcement": asdict(unit.enforcement)}

    return act
