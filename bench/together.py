"""Four equal trainings that are started at once, against the same four in a row; each wants all CPUs."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.homes import make_home, scratch
from bench.measure import in_turns, run
from bench.table import Quantity, Row, Target

TRAININGS = 4


def rows(quick: bool) -> list[Row]:
    """Seconds until the last one has ended, and how many computed at once at most."""
    steps, rounds = (400, 1) if quick else (1500, 3)
    found = in_turns(
        rounds,
        {"at once": lambda: _lap(steps, TRAININGS), "in a row": lambda: _lap(steps, 1)},
    )
    ours, base = (Quantity("s", [seconds for seconds, _ in found[name]]) for name in ("at once", "in a row"))
    crowd = max(most for _, most in found["at once"])
    name = f"{TRAININGS} trainings at once, {crowd} of them computing"
    return [Row("together", name, ours, "in a row", base, Target("ratio", "<=", 1.1))]


def _lap(steps: int, at_once: int) -> tuple[float, int]:
    """Returns the seconds that all of them took, and how many computed at the same time at most."""
    with scratch() as directory:
        env = {**make_home(directory / "home"), "BLUT_LEASES": str(directory / "leases")}
        del env["OMP_NUM_THREADS"]
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            commands = [_command(seed, steps) for seed in range(TRAININGS)]
            ends = [*pool.map(lambda command: run(command, env=env), commands)]
        seconds = time.perf_counter() - started
    times = [json.loads(end.stdout.splitlines()[-1]) for end in ends]
    return seconds, max(sum(o["began"] <= t["began"] < o["ended"] for o in times) for t in times)


def _command(seed: int, steps: int) -> list[str | Path]:
    return [sys.executable, "-m", "bench.together_asset", str(seed), str(steps)]
