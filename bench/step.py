"""What running as a payload costs a training step: reports, resumable states and supervision included."""

import json
import sys
from functools import partial
from pathlib import Path

from bench.homes import make_home, scratch
from bench.measure import in_turns, run
from bench.table import Quantity, Row, Target

RATE_HZ, WINDOW, CHANNELS = 256, 512, 2


def rows(quick: bool) -> list[Row]:
    """Milliseconds per step in the payload against the bare loop."""
    config = {"preset": "smoke" if quick else "fast", "tier": 3, "seed": 0, "epochs": 3, "threads": 1}
    with scratch() as directory:
        env = make_home(directory / "home")
        given = directory / "given.json"
        write_windows(directory / "windows")
        given.write_text(json.dumps({"config": config, "windows": str(directory / "windows")}))
        commands = {
            "payload": [sys.executable, "-m", "bench.step_asset", str(given)],
            "bare": [sys.executable, "-m", "bench.step_payload", "--bare", str(given)],
        }
        contenders = {name: partial(run, command, env=env) for name, command in commands.items()}
        runs = in_turns(3 if quick else 5, contenders)
    found = {name: [json.loads(r.stdout.splitlines()[-1]) for r in each] for name, each in runs.items()}
    ours, base = (
        Quantity("ms", [1000 * f["wall"] for f in found[name]], [1000 * f["cpu"] for f in found[name]])
        for name in ("payload", "bare")
    )
    name = f"training step, preset {config['preset']}"
    return [Row("step", name, ours, "bare loop", base, Target("ratio", "<=", 1.02))]


def write_windows(directory: Path) -> None:
    """Training windows of coloured noise: enough to step on, and the same for both."""
    import numpy as np

    rng = np.random.default_rng(0)
    entries = []
    for split, windows in (("train", 120), ("val", 15)):
        (directory / split).mkdir(parents=True)
        walk = np.cumsum(rng.standard_normal((windows, CHANNELS, WINDOW)), axis=-1)
        walk -= walk.mean(-1, keepdims=True)
        np.save(directory / split / "made.npy", walk.astype(np.float32))
        entries.append(
            {
                "stem": f"made_{split}",
                "split": split,
                "subject": split,
                "file": f"{split}/made.npy",
                "channels": [f"c{number}" for number in range(CHANNELS)],
                "rate_hz": RATE_HZ,
                "n_windows": windows,
                "lsb_uv": [0.1] * CHANNELS,
            }
        )
    index = {"schema": "blut.windows.v1", "units": "uV", "highpass_hz": 0.5, "window_s": 2.0}
    (directory / "windows.json").write_text(json.dumps({**index, "recordings": entries}))
