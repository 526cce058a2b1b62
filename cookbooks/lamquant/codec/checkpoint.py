"""Keeps checkpoints of the joint codec: ``model.safetensors`` and ``model.json``; no pickle anywhere."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.v1 import checkpoint as v1
from cookbooks.lamquant.lqc.entropy import EntropyModel
from cookbooks.lamquant.lqc.model import DESCRIPTION, ENTROPY, REFINE, SCHEMA, WEIGHTS
from cookbooks.lamquant.lqc.refine import Refine


def save_checkpoint(
    directory: Path,
    entropy: EntropyModel,
    refine: Refine | None,
    lam: float,
    levels: tuple[int, int],
    facts: dict[str, Any],
) -> None:
    """Write the two files. ``facts`` are added to ``model.json`` and must not depend on time or place."""
    arrays = {f"{ENTROPY}{name}": value for name, value in entropy.as_arrays().items()}
    if refine is not None:
        arrays |= {f"{REFINE}{name}": value for name, value in refine.as_arrays().items()}
    weights = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    description = facts | {
        "schema": SCHEMA,
        "lambda": lam,
        "levels": list(levels),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomic(directory / WEIGHTS, weights)
    write_atomic(directory / DESCRIPTION, (json.dumps(description, sort_keys=True, indent=1) + "\n").encode())


def load_checkpoint(directory: Path) -> v1.LoadedCodec:
    """Read and verify a checkpoint; every expected tensor must be there, and no other.

    Raises:
        CheckpointError: naming the file and what is wrong.
    """
    return v1.load_checkpoint(directory)
