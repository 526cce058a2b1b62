"""Chooses where a payload computes, and with how many threads. PyTorch is imported when it is asked for."""

import os
import sys
from typing import Literal

from blut_resources.payload_kit.refuse import Refused

Device = Literal["auto", "cpu", "cuda"]
"""``auto`` takes CUDA where there is one; the others are demands."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def choose_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """Returns the device to compute on.

    Raises:
        Refused: CUDA is demanded, and is not to be had.
    """
    import torch

    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise Refused("device='cuda': no CUDA device is available; use cpu or auto")
    return "cpu"


def use_threads(number: int) -> None:
    """Compute with so many threads: libraries that are imported from now on, and PyTorch if it is already."""
    for name in THREADS:
        os.environ[name] = str(number)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)
