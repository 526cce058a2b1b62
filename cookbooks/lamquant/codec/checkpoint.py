"""Keeps checkpoints of the joint codec: ``model.safetensors`` and ``model.json``; no pickle anywhere."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.coder import RecordingCoder
from cookbooks.lamquant.codec.errors import CheckpointError
from cookbooks.lamquant.codec.v1 import FIRST_SCHEMA
from cookbooks.lamquant.codec.v1.checkpoint import FirstLoadedCodec, load_first_checkpoint
from cookbooks.lamquant.lqc.entropy import EntropyModel
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import DESCRIPTION, ENTROPY, SCHEMA, WEIGHTS, load_model


def save_checkpoint(
    directory: Path,
    entropy: EntropyModel,
    lam: float,
    levels: tuple[int, int],
    facts: dict[str, Any],
) -> None:
    """Write the two files. ``facts`` are added to ``model.json`` and must not depend on time or place."""
    arrays = {f"{ENTROPY}{name}": value for name, value in entropy.as_arrays().items()}
    weights = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    description = facts | {
        "schema": SCHEMA,
        "lambda": lam,
        "levels": list(levels),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomic(directory / WEIGHTS, weights)
    write_atomic(directory / DESCRIPTION, (json.dumps(description, sort_keys=True, indent=1) + "\n").encode())


@dataclass(frozen=True)
class LoadedCodec:
    """Holds a loaded codec, ready to code recordings, and its description."""

    coder: RecordingCoder
    description: dict[str, Any]


def load_checkpoint(directory: Path) -> LoadedCodec | FirstLoadedCodec:
    """Read and verify a checkpoint of either version; every expected array must be there, and no other.

    Raises:
        CheckpointError: naming the file and what is wrong.
    """
    try:
        schema = json.loads((directory / DESCRIPTION).read_bytes())["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{directory.name}: not a joint codec checkpoint: {error!r}") from error
    if schema == FIRST_SCHEMA:
        return load_first_checkpoint(directory)
    try:
        model = load_model(directory)
        noise_ratio = float(model.description["noise_ratio"])
    except (LqcError, KeyError, TypeError) as error:
        raise CheckpointError(f"{directory.name}: {error}") from error
    return LoadedCodec(RecordingCoder(model, noise_ratio), model.description)
