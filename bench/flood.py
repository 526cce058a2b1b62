"""What a payload that says or prints far too much costs the run that owns it: time an event, and memory."""

import json
import sys
from typing import Any

from bench.homes import make_home, scratch
from bench.measure import run
from bench.table import Quantity, Row, Target

GROWN = Target("ours", "<=", 200)


def rows(quick: bool) -> list[Row]:
    """Microseconds of the run's own CPU for an event, few against many, and MB over the start of the run."""
    steps, epochs = (100_000, 2_000) if quick else (1_000_000, 10_000)
    few, many = _flood(steps=10_000), _flood(steps=steps)
    one, all_ = _flood(epochs=epochs // 10), _flood(epochs=epochs)
    printed, line = _flood(bytes=(300 if quick else 3000) << 20), _flood(line=(100 if quick else 500) << 20)
    grown = {
        f"{steps:,} steps": many,
        f"{epochs:,} epochs": all_,
        "output": printed,
        "a line that never ends": line,
    }
    return [
        _each("step", steps, many, 10_000, few),
        _each("epoch", epochs, all_, epochs // 10, one),
        *(_memory(case, found, case.startswith("a line")) for case, found in grown.items()),
    ]


def _memory(case: str, found: dict[str, Any], fails: bool) -> Row:
    note = f"{found['wall']:.0f} s in all; {'succeeded' if found['ok'] else 'failed'}"
    if found["ok"] == fails:
        raise RuntimeError(f"{case}: {note}, which it should not")
    return Row("flood", case, Quantity("MB", [found["grown_mb"]]), "the run's start", target=GROWN, note=note)


def _each(what: str, n_many: int, many: dict[str, Any], n_few: int, few: dict[str, Any]) -> Row:
    ours, base = (
        Quantity("us", [1e6 * found["wall"] / n], [1e6 * found["cpu"] / n])
        for found, n in ((many, n_many), (few, n_few))
    )
    return Row("flood", f"{what}, of {n_many:,}", ours, f"of {n_few:,}", base, Target("ratio", "<=", 1.2))


def _flood(**config: int) -> dict[str, Any]:
    with scratch() as directory:
        env = make_home(directory / "home")
        done = run([sys.executable, "-m", "bench.flood_asset", json.dumps(config)], env=env)
    return json.loads(done.stdout.splitlines()[-1])
