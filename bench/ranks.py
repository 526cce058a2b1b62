"""What several processes that train together gain: seconds of an epoch."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from bench.homes import scratch
from bench.measure import REPOSITORY, in_turns
from bench.step import write_windows
from bench.table import Quantity, Row, skipped
from blut_resources.payload_kit.session import CONFIG_ENV
from blut_resources.payloads.files import START, TOGETHER, PayloadFiles

MODULE = "cookbooks.lamquant.payload.joint_train"


def rows(quick: bool) -> list[Row]:
    """Two processes of one thread against one of one thread, and one of two."""
    if len(os.sched_getaffinity(0)) < 2:
        return [skipped("ranks", "two processes", "two CPUs are needed")]
    epochs = 3 if quick else 6
    with scratch() as directory:
        write_windows(directory / "windows")
        shapes = {"2 x 1": (2, 1), "1 x 1": (1, 1), "1 x 2": (1, 2)}
        calls = {name: partial(_epoch, directory, epochs, *shape) for name, shape in shapes.items()}
        found = {name: Quantity("s", each) for name, each in in_turns(1 if quick else 3, calls).items()}
    name = "epoch of the codec, preset fast: 2 processes x 1 thread"
    return [
        Row("ranks", name, found["2 x 1"], f"1 process x {threads}", found[f"1 x {threads[0]}"])
        for threads in ("1 thread", "2 threads")
    ]


def _epoch(directory: Path, epochs: int, ranks: int, threads: int) -> float:
    """Train so many epochs; the seconds of one, the first left out, which compiles."""
    place = directory / f"run-{time.monotonic_ns()}"
    place.mkdir()
    config = {"preset": "fast", "epochs": epochs + 1, "threads": threads, "device": "cpu"}
    frozen = {"schema": 1, "fingerprint": "bench", "config": config}
    frozen |= {name: str(place / name) for name in ("out", "work")}
    frozen |= {"inputs": {"windows": str(directory / "windows")}}
    (place / "config.json").write_text(json.dumps(frozen))
    code = place / "code.json"
    code.write_text(PayloadFiles(root=str(REPOSITORY)).told(MODULE))
    program = [TOGETHER, str(ranks), START] if ranks > 1 else [START]
    command = [sys.executable, "-P", "-u", *program, str(code), MODULE]
    env = {**os.environ, CONFIG_ENV: str(place / "config.json"), "OMP_WAIT_POLICY": "PASSIVE"}
    ended: list[float] = []
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if json.loads(line)["event"] == "epoch":
                ended.append(time.perf_counter())
    if process.returncode:
        raise RuntimeError(f"{command}: exit status {process.returncode}")
    return (ended[-1] - ended[0]) / epochs
