"""What it costs to keep up with a training that reports a thousand times a second."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.homes import scratch
from bench.measure import Run, in_turns, timed
from bench.table import Quantity, Row, Target
from blut_resources.runs.status import Status

PER_SECOND = 1000
FLOOR = "json.dumps and write"
FACTS: dict[str, Any] = {"loss": 0.123456, "lr": 2e-4, "grad_norm": 1.5}


def rows(quick: bool) -> list[Row]:
    """Percent of one core, at 1,000 events a second."""
    seconds = 1 if quick else 5
    with scratch() as directory:
        contenders = {
            "steps": lambda: _paced(seconds, _steps(directory / "steps.jsonl")),
            "kept": lambda: _paced(seconds, _kept(directory / "kept.jsonl")),
            FLOOR: lambda: _paced(seconds, _plain(directory / "plain.jsonl")),
        }
        runs = in_turns(3 if quick else 5, contenders)
    share = {
        name: Quantity("% of a core", [100 * one.cpu / seconds for one in each])
        for name, each in runs.items()
    }
    target, floor = Target("ours", "<=", 2), share[FLOOR]
    return [
        Row("events", "1,000 steps a second", share["steps"], FLOOR, floor, target),
        Row("events", "1,000 lifecycle events a second, all kept", share["kept"], FLOOR, floor, target),
    ]


def _paced(seconds: int, send: Callable[[int], None]) -> Run:
    """CPU of the sends alone, which come in bursts of ten, as they do from a payload."""
    spent = 0.0
    for burst in range(seconds * PER_SECOND // 10):
        spent += timed(lambda burst=burst: [send(10 * burst + number) for number in range(10)]).cpu
        time.sleep(0.01)
    return Run(seconds, spent, 0.0, 0)


def _steps(path: Path) -> Callable[[int], None]:
    events = Status(path)
    return lambda step: events.step("llm/sft_checkpoint", step=step, **FACTS)


def _kept(path: Path) -> Callable[[int], None]:
    events = Status(path)
    return lambda step: events.write("epoch", "llm/sft_checkpoint", epoch=step, **FACTS)


def _plain(path: Path) -> Callable[[int], None]:
    file = path.open("ab", buffering=0)
    return lambda step: _print_line(file.write, step)


def _print_line(write: Callable[[bytes], object], step: int) -> None:
    event = {"t": time.time(), "kind": "step", "asset": "llm/sft_checkpoint", "step": step, **FACTS}
    write(json.dumps(event).encode() + b"\n")
