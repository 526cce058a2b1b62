"""Sets one seed for everything that draws numbers at random."""

import os
import random
import sys


def seed_everything(seed: int, *, exactly: bool = False) -> None:
    """Set the seed of Python's generator, and of NumPy's and PyTorch's where they have been imported.

    Args:
        exactly: let PyTorch compute only in ways that give the same bytes again, and fail where it has none.
    """
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
        if exactly:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
            torch.use_deterministic_algorithms(True)
