"""A controller of made-up weights, and a recording with a seizure, so that nothing has to be trained."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.controller import save_controller
from cookbooks.lamquant.controller.deciders import named
from cookbooks.lamquant.controller.integer import quantised
from cookbooks.lamquant.controller.pooling import N_POOLED

RATE = 128
RISE = 8
WIDTH = 6


def recording(channels: int = 21, seconds: float = 60, rate_hz: float = RATE, seed: int = 3) -> NDArray:
    """Integers ``[C, T]``: noise with a slope, and a rhythm that slows from 5 to 3 Hz between 24 and 40 s."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    noise = rng.standard_normal((channels, n))
    slow = np.zeros_like(noise)
    for t in range(1, n):
        slow[:, t] = 0.95 * slow[:, t - 1] + noise[:, t]
    time = np.arange(n) / rate_hz
    inside = (time >= 24) & (time < 40)
    wave = np.sin(2 * np.pi * np.cumsum(np.interp(time, [24, 40], [5, 3])) / rate_hz) * inside
    gain = np.linspace(2.0, 0.2, channels)[:, None]
    return np.round(20 * (slow + 6 * gain * wave)).astype(np.int32)


def arrays(seed: int = 1) -> dict[str, NDArray[Any]]:
    """Weights of all three kinds: drawn, but for what sees a rhythmic wave rise."""
    rng = np.random.default_rng(seed)

    def layer(name: str, out: int, inputs: int, scale: float = 0.4) -> dict[str, NDArray[Any]]:
        weight = scale * rng.standard_normal((out, inputs)) / np.sqrt(inputs)
        return named(name, quantised(weight, 0.2 * rng.standard_normal(out)))

    rise = np.zeros((2, N_POOLED))
    rise[0, RISE] = 2.0
    made = {
        "input.mean": np.full(N_POOLED, 60, np.int32),
        "input.gain": np.full(N_POOLED, 4096, np.int32),
        **named("logistic.out", quantised(rise, np.array([-1.0, -3.0]))),
        "logistic.pace": np.array([9000, 3000], np.int32),
        "lif.shift": (np.arange(WIDTH) % 5 + 1).astype(np.int32),
        "lif.pace": np.array([5000, 5000], np.int32),
    }
    for part in "ugk":
        made |= layer(f"ssm.0.{part}", WIDTH, N_POOLED, 2)
    made |= layer("ssm.0.m", WIDTH, 2 * WIDTH, 2) | layer("ssm.out", 2, WIDTH, 2)
    made |= layer("lif.first", WIDTH, N_POOLED, 2) | layer("lif.recurrent", WIDTH, WIDTH, 1)
    return made | layer("lif.second", WIDTH, WIDTH, 2) | layer("lif.out", 2, WIDTH, 3)


def write_controller(directory: Path, critical: int = 0) -> Path:
    """A directory with all three kinds, the SSM in charge."""
    directory.mkdir(parents=True, exist_ok=True)
    points = {name: {"critical": critical} for name in ("events", "rate")}
    models = {kind: {"points": points} for kind in ("logistic", "ssm", "lif")}
    save_controller(directory, arrays(), {"model": "ssm", "frame_ms": 250, "models": models})
    return directory
