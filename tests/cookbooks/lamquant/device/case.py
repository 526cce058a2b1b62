"""A checkpoint on disk that nobody trained, and signals of all kinds to encode."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from cookbooks.lamquant.lqc.model import DESCRIPTION, SCHEMA, WEIGHTS, Model, load_model
from tests.cookbooks.lamquant.lqc.recording_case import small_model


def saved_model(folder: Path, seed: int = 0) -> Path:
    """The directory of a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = small_model(seed).entropy.as_arrays()
    data = save({f"entropy.{name}": np.ascontiguousarray(value) for name, value in arrays.items()})
    (folder / WEIGHTS).write_bytes(data)
    about = {
        "schema": SCHEMA,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "lambda": 0.13,
        "levels": [8, 20],
    }
    (folder / DESCRIPTION).write_text(json.dumps(about))
    return folder


@cache
def model_at(folder: Path) -> Model:
    return load_model(folder)


def random_signal(rng: np.random.Generator, channels: int, bits: int) -> np.ndarray:
    """Samples [C, n] of a random length, strength and kind: noise, walks, bursts, pops, silence."""
    n = int(rng.integers(1, 700))
    most = (1 << (bits - 1)) - 1
    x = rng.standard_normal((channels, n)) * 2.0 ** rng.uniform(-2, bits - 3)
    kind = rng.integers(5)
    if kind == 1:
        x = np.cumsum(x, 1) / 8
    elif kind == 2:
        x *= 2.0 ** -np.floor(rng.uniform(0, 14, n))
    elif kind == 3:
        x[:, rng.integers(n) :] += rng.uniform(-most, most)
    elif kind == 4:
        x[rng.integers(channels)] = rng.integers(-most, most)
        x[:, : n // 2] = 0
    return np.clip(np.rint(x), -most - 1, most).astype(np.int32)


def edge_signals(channels: int, bits: int) -> dict[str, np.ndarray]:
    """Samples [C, n] by what is peculiar about them."""
    most, time = (1 << (bits - 1)) - 1, np.arange(3000)
    square = np.where(time // 41 % 2, most, -most - 1)
    return {
        "nothing": np.zeros((channels, 0), np.int32),
        "one moment": np.full((channels, 1), -5, np.int32),
        "constant": np.full((channels, 1500), most // 3, np.int32),
        "full scale, up": np.full((channels, 700), most, np.int32),
        "full scale, square": np.tile(square, (channels, 1)).astype(np.int32),
        "one step": np.tile(time % 2, (channels, 1)).astype(np.int32),
        "17 samples": np.tile(np.arange(17) * 100, (channels, 1)).astype(np.int32),
    }
