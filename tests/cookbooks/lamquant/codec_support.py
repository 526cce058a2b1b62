"""Small EEG-like recordings, training windows and payload runs for the codec's tests."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests import together

ROOT = Path(__file__).parents[3]


def eeg_like(channels: int, seconds: float, rate_hz: float = 256.0, seed: int = 0) -> np.ndarray:
    """Digital values [C, T]: 1/f background with a waxing 10 Hz rhythm, 0.1 uV a unit, and drift."""
    rng = np.random.default_rng(seed)
    n = max(2, round(seconds * rate_hz))
    frequency = np.fft.rfftfreq(n, 1 / rate_hz)
    spectrum = rng.standard_normal((channels, len(frequency))) + 1j * rng.standard_normal(
        (channels, len(frequency))
    )
    background = np.fft.irfft(spectrum / np.maximum(frequency, 0.3), n)
    background *= 10 / background.std(1, keepdims=True)
    time = np.arange(n) / rate_hz
    rhythm = 8 * np.sin(2 * np.pi * 10 * time) * np.maximum(0, np.sin(0.7 * time))
    return np.rint((background + rhythm) * 10).astype(np.int32) + 300


def write_windows(root: Path, n_windows: int = 24, channels: int = 1, val: bool = True) -> Path:
    """A training windows directory with one training and, if asked, one validation recording."""
    recordings = []
    for index, split in enumerate(("train", "val") if val else ("train",)):
        digital = eeg_like(channels, 4.0 * n_windows, seed=index)
        uv = (digital - digital.mean(1, keepdims=True)) * 0.1
        windows = uv.reshape(channels, n_windows, -1).transpose(1, 0, 2).astype(np.float32)
        path = root / split / f"rec{index}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, windows)
        recordings.append(
            {
                "stem": f"rec{index}",
                "split": split,
                "subject": f"s{index}",
                "file": f"{split}/rec{index}.npy",
                "channels": [f"ch{c}" for c in range(channels)],
                "rate_hz": 256.0,
                "n_windows": n_windows,
                "lsb_uv": [0.1] * channels,
            }
        )
    meta = {
        "schema": "blut.windows.v1",
        "units": "uV",
        "highpass_hz": 0.5,
        "window_s": 4.0,
        "recordings": recordings,
    }
    (root / "windows.json").write_text(json.dumps(meta, sort_keys=True, indent=1))
    return root


def frozen(directory: Path, config: dict[str, Any], **inputs: Path) -> Path:
    """A payload configuration under ``directory``; its output goes to ``directory/out``."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.json"
    content = {
        "schema": 1,
        "fingerprint": "test",
        "config": config,
        "inputs": {name: str(value) for name, value in inputs.items()},
        "out": str(directory / "out"),
        "work": str(directory / "work"),
    }
    path.write_text(json.dumps(content))
    return path


def start(payload: str, config: Path) -> subprocess.Popen[str]:
    """A payload process with its events on stdout."""
    command = [sys.executable, "-m", f"cookbooks.lamquant.payload.{payload}", "--config", str(config)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def start_ranks(payload: str, config: Path, ranks: int) -> subprocess.Popen[str]:
    """So many processes of a payload that train together, as Blut starts them."""
    return together.start(f"cookbooks.lamquant.payload.{payload}", config, ranks)


def finish(payload: str, config: Path, ranks: int = 1) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, events and stderr of a payload run to its end."""
    process = start_ranks(payload, config, ranks) if ranks > 1 else start(payload, config)
    out, err = process.communicate(timeout=300)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def tree_digest(directory: Path) -> dict[str, str]:
    """SHA-256 of every file under ``directory`` by relative name."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
