"""Declares what the cookbooks that train with PyTorch need of it; it is never imported here."""

from importlib.metadata import PackageNotFoundError, version

from blut_assets.tools import Tool
from blut_resources.machine.gpus import gpus

VARIABLES = ("TORCH*", "PYTORCH_*", "TRITON_*")
"""Its settings in the environment, which payloads are to find there."""


def _usable() -> str | None:
    """Returns the installed version, unless it cannot use a GPU that is there."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        return None
    try:
        has_gpu = bool(gpus().found)
    except ValueError:  # the doctor tells of that elsewhere
        has_gpu = False
    return None if has_gpu and "+cpu" in found else found


TORCH = Tool(
    "torch",
    "it is not installed, or cannot use the GPU of this machine: trainings need it",
    "pip install --force-reinstall torch from the index of your CUDA version",
    _usable,
)
