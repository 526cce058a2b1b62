"""Writes a refining decoder; ``refine.files`` reads it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.refine.files import DESCRIPTION, FOR_ENCODER, SCHEMA, WEIGHTS
from cookbooks.lamquant.refine.network import RefineNet


def save_net(directory: Path, net: RefineNet, encoder: Model, facts: dict[str, Any]) -> None:
    """Write a network for the files of ``encoder``, as `save_refiner` does."""
    arrays = {name: np.asarray(value) for name, value in vars(net).items()}
    save_refiner(directory, arrays, str(encoder.description["weights_sha256"]), facts)


def save_refiner(
    directory: Path, arrays: dict[str, NDArray[np.float32]], encoder: str, facts: dict[str, Any]
) -> None:
    """Write the two files.

    Args:
        directory: where to; it is made.
        arrays: those of ``RefineNet``.
        encoder: SHA-256 of the weights of the codec whose files it decodes.
        facts: added to ``refine.json``; they must not depend on time or place.
    """
    directory.mkdir(parents=True, exist_ok=True)
    weights = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    description = facts | {
        "schema": SCHEMA,
        FOR_ENCODER: encoder,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomic(directory / WEIGHTS, weights)
    write_atomic(directory / DESCRIPTION, (json.dumps(description, sort_keys=True, indent=1) + "\n").encode())
