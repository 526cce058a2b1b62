"""What one asset of a fresh run costs, and how soon the first payload works.

Both come from the times that the payloads of one ten-stage run note themselves, so Blut's start and end
are left out of the first; the baseline runs the same stage as a bare Python process.
"""

import sys
import time
from functools import partial

from bench.chain_tools import Blut, Make
from bench.homes import scratch
from bench.measure import Run, run
from bench.table import Quantity, Row, Target

STAGES = 10


def rows(quick: bool) -> list[Row]:
    """Per asset with its payload, the same without its process, and launch to first payload line."""
    laps, bare_runs = [], []
    for _ in range(3 if quick else 5):
        laps.append(fresh_run())
        bare_runs.append(bare_process())
    bare = Quantity("ms", [1000 * r.wall for r in bare_runs], [1000 * r.cpu for r in bare_runs])
    asset = Quantity("ms", [1000 * each for each, _ in laps])
    beyond = Quantity("ms", [a - b for a, b in zip(asset.values, bare.values, strict=True)])
    limit, name = Target("ours", "<=", 150), "bare python process"
    first = Quantity("s", [seconds for _, seconds in laps])
    base = Quantity("s", [r.wall for r in bare_runs])
    return [
        Row("launch", "one asset of a fresh run", asset, name, bare, limit),
        Row("launch", "one asset, beyond its process", beyond, name, bare),
        Row("launch", "command to first payload line", first, name, base, Target("ours", "<=", 3)),
    ]


def fresh_run() -> tuple[float, float]:
    """Seconds from one payload to the next, and from the command to the first payload."""
    with scratch() as directory:
        chain = Blut(directory / "chain", STAGES)
        launched = time.time()
        chain.run()
        times = chain.started()
        return (times[-1] - times[0]) / (STAGES - 1), times[0] - launched


def bare_process() -> Run:
    """One stage without any tool; the mean of ten."""
    with scratch() as directory:
        stage = Make(directory / "chain", 1)
        command = [sys.executable, "s001.py", "raw", "s001.out"]
        once = partial(run, command, cwd=stage.directory, env={"CHAIN_LOG": str(stage.log)})
        all_ = [once() for _ in range(10)]
        return Run(sum(r.wall for r in all_) / 10, sum(r.cpu for r in all_) / 10, 0.0, 0)
