"""The C of a controller decides byte for byte what Python decides, without a float and without a heap."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.controller.export import export_controller
from cookbooks.lamquant.controller.states import CRITICAL
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.controller.made_up import RATE, recording, write_controller

FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror")
SOURCES = ("lq_control.c", "lq_decide.c")
pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc: apt install gcc")


def built(directory: Path, *flags: str) -> Path:
    program = directory / "control"
    command = ["gcc", *FLAGS, *flags, "-o", str(program), *SOURCES, "control_main.c"]
    subprocess.run(command, cwd=directory, check=True)
    return program


def decided(program: Path, signal: NDArray[np.int32]) -> NDArray[np.uint8]:
    done = subprocess.run(
        [str(program)], input=signal.T.astype("<i4").tobytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, np.uint8)


def some(rate_hz: float, channels: int) -> list[NDArray[np.int32]]:
    """A seizure, noise at the limits of 24 bits, a full-scale square wave, silence, and a dead channel."""
    rng = np.random.default_rng(4)
    n = round(30 * rate_hz)
    usual = recording(channels, 60, rate_hz)
    square = np.where(np.arange(n) // 20 % 2, (1 << 23) - 1, -(1 << 23)) * np.ones((channels, 1), int)
    dead = usual.copy()
    dead[-1, n // 3 :] = 7
    loud = usual.copy()
    loud[:, n : n + n // 15] *= 40
    full = rng.integers(-(1 << 23), 1 << 23, (channels, n))
    return [x.astype(np.int32) for x in (usual, full, square, 0 * square, dead, loud)]


@pytest.mark.parametrize(
    ("kind", "rate_hz", "channels"), [("ssm", 250.0, 21), ("logistic", RATE, 1), ("lif", 1000.0, 3)]
)
def test_c_and_python_decide_the_same(tmp_path: Path, kind: str, rate_hz: float, channels: int) -> None:
    scores = Controller.load(write_controller(tmp_path / "first"), kind)
    odds = scores.stream(rate_hz, channels).push(recording(channels, 60, rate_hz)).log_odds[:, 0]
    # a threshold that is crossed, so that every state occurs
    controller = Controller.load(write_controller(tmp_path / "made", int(np.quantile(odds, 0.8))), kind)
    export_controller(controller, tmp_path / "c", rate_hz, channels)
    program = built(tmp_path / "c", "-fsanitize=address,undefined", "-fno-sanitize-recover")
    seen = set()
    for signal in some(rate_hz, channels):
        wanted = controller.decide(signal, rate_hz)
        assert np.array_equal(decided(program, signal), wanted)
        seen |= set(wanted.tolist())
    assert {0, 1, CRITICAL} <= seen


def test_the_core_needs_no_library_no_heap_and_no_float(tmp_path: Path) -> None:
    checkpoint, out = write_controller(tmp_path / "made"), tmp_path / "c"
    command = [
        sys.executable,
        "-m",
        "cookbooks.lamquant.controller",
        str(checkpoint),
        str(out),
        "--channels",
        "4",
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    compiled = ["gcc", *FLAGS, "-ffreestanding", "-fno-builtin", "-mgeneral-regs-only", "-c", *SOURCES]
    subprocess.run(compiled, cwd=out, check=True)
    objects = [source.replace(".c", ".o") for source in SOURCES]
    names = subprocess.run(["nm", "-u", *objects], cwd=out, capture_output=True, text=True, check=True)
    outside = {line.split()[-1] for line in names.stdout.splitlines() if " U " in line}
    assert outside == {"lq_decide"}
    done = subprocess.run(
        [*command, "--rate", "10"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "rate_hz=10: must be at least 40" in done.stderr
