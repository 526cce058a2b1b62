"""Declares what the cookbooks that train with PyTorch need of it; it is never imported here."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from blut_assets.tools import Tool
from blut_resources.machine.gpus import driver, gpus

VARIABLES = ("TORCH*", "PYTORCH_*", "TRITON_*")
"""Its settings in the environment, which payloads are to find there."""
ASK = """
import json, torch
cuda = torch.cuda
print(json.dumps({"built": torch.version.cuda, "sees": cuda.device_count() if cuda.is_available() else 0}))
"""
ASK_S = 120.0


class TorchUseless(Exception):
    """Says why an installed PyTorch is of no use for the GPUs that are there."""


def _usable() -> str | None:
    """Returns the installed version; where there is a GPU, also what its build sees of it.

    Only a process of its own that imports it can tell that.

    Raises:
        TorchUseless: it cannot use a GPU that is there.
    """
    try:
        found = version("torch")
    except PackageNotFoundError:
        return None
    try:
        n_gpus = len(gpus().found)
    except ValueError:  # the doctor tells of that elsewhere
        n_gpus = 0
    return said_of_build(found, _asked(found), n_gpus, driver()) if n_gpus else found


def _asked(found: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-c", ASK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S)
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise TorchUseless(f"{found} cannot be imported: {type(error).__name__}") from None


def said_of_build(found: str, build: dict[str, Any], n_gpus: int, has: str) -> str:
    """Returns what a build makes of the GPUs.

    Args:
        build: ``built`` for which CUDA, or None, and how many GPUs it ``sees``.
        has: the driver, in words.

    Raises:
        TorchUseless: it sees none.
    """
    if not build["built"]:
        there = "1 GPU is" if n_gpus == 1 else f"{n_gpus} GPUs are"
        raise TorchUseless(f"{found} is built without CUDA, and {there} there: trainings use the CPU")
    if not build["sees"]:
        driver_has = f"the driver is {has}" if has else "no driver is known"
        raise TorchUseless(f"{found} is built for CUDA {build['built']} and sees no GPU: {driver_has}")
    return f"{found}, built for CUDA {build['built']}, sees {build['sees']} of {n_gpus} GPUs"


TORCH = Tool(
    "torch",
    "trainings need it",
    "pip install --force-reinstall torch from the index of your CUDA version",
    _usable,
)
