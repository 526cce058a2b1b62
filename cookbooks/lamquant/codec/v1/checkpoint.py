"""Keeps checkpoints of the first joint codec: ``model.safetensors`` and ``model.json``; no pickle."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load as load_numpy

from cookbooks.lamquant.codec.errors import CheckpointError
from cookbooks.lamquant.codec.presets import TIERS
from cookbooks.lamquant.codec.v1 import FIRST_SCHEMA
from cookbooks.lamquant.codec.v1.bitstream import DIGEST_BYTES
from cookbooks.lamquant.codec.v1.coder import FirstRecordingCoder
from cookbooks.lamquant.codec.v1.entropy import FirstEntropyModel, FirstIntegerNet
from cookbooks.lamquant.codec.v1.model import Architecture, JointCodec

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
_INTEGER = tuple(FirstIntegerNet.__dataclass_fields__)


@dataclass(frozen=True)
class FirstLoadedCodec:
    """Holds a loaded codec, ready to code recordings, and its description."""

    coder: FirstRecordingCoder
    description: dict[str, Any]


def load_first_checkpoint(directory: Path) -> FirstLoadedCodec:
    """Read and verify a checkpoint; every expected tensor must be there, and no other.

    Raises:
        CheckpointError: naming the file and what is wrong.
    """
    try:
        description = json.loads((directory / DESCRIPTION).read_bytes())
        weights = (directory / WEIGHTS).read_bytes()
        tensors = load_numpy(weights)
    except Exception as error:
        raise CheckpointError(f"{directory.name}: not a joint codec checkpoint: {error!r}") from error
    if description.get("schema") != FIRST_SCHEMA:
        raise CheckpointError(
            f"{DESCRIPTION}: schema={description.get('schema')!r}: must be {FIRST_SCHEMA!r}"
        )
    sha256 = hashlib.sha256(weights)
    if sha256.hexdigest() != description.get("weights_sha256"):
        raise CheckpointError(f"{WEIGHTS}: sha256 {sha256.hexdigest()} is not the one in {DESCRIPTION}")
    model = JointCodec(Architecture(**description["architecture"]))
    net = FirstIntegerNet(**{name: _take(tensors, f"coder.{name}", np.int32) for name in _INTEGER})
    entropy = FirstEntropyModel(net, _take(tensors, "coder.frequencies", np.int32))
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{WEIGHTS}: {error}") from error
    tier = TIERS[description["tier"]]
    digest = sha256.digest()[:DIGEST_BYTES]
    return FirstLoadedCodec(
        FirstRecordingCoder(model, entropy, tier, description["lambda"], digest), description
    )


def _take(tensors: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    if name not in tensors or tensors[name].dtype != dtype:
        raise CheckpointError(f"{WEIGHTS}: tensor {name!r} is missing or not {np.dtype(dtype).name}")
    return tensors.pop(name)
