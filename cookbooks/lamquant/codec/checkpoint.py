"""Keeps checkpoints: ``model.safetensors`` and ``model.json``; resume states; no pickle anywhere."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_numpy
from safetensors.numpy import save as save_numpy
from safetensors.torch import load, save

from blut_resources.files.durable import sync
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.codec.bitstream import DIGEST_BYTES
from cookbooks.lamquant.codec.coder import RecordingCoder
from cookbooks.lamquant.codec.entropy import EntropyModel, IntegerNet
from cookbooks.lamquant.codec.model import Architecture, JointCodec
from cookbooks.lamquant.codec.presets import TIERS

SCHEMA = "blut.joint_codec.v1"
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
STATE, STATE_FACTS = "state.safetensors", "state.json"
GENERATIONS = 2
"""Resume states that are kept."""
_INTEGER = tuple(IntegerNet.__dataclass_fields__)


class CheckpointError(ValueError):
    """Says that a checkpoint is missing, damaged or of another architecture;
    the message names file and field.
    """


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()


def save_checkpoint(
    directory: Path, model: JointCodec, entropy: EntropyModel, lam: float, facts: dict[str, Any]
) -> None:
    """Write the two files. ``facts`` are added to ``model.json`` and must not depend on time or place."""
    tensors = {name: t.detach().cpu().contiguous().numpy() for name, t in model.state_dict().items()}
    tensors |= {f"coder.{name}": getattr(entropy.net, name) for name in _INTEGER}
    tensors["coder.frequencies"] = entropy.frequencies
    weights = save_numpy({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})
    description = facts | {
        "schema": SCHEMA,
        "architecture": model.architecture.as_json(),
        "lambda": lam,
        "parameters": model.n_parameters(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomic(directory / WEIGHTS, weights)
    write_atomic(directory / DESCRIPTION, _json(description))


@dataclass(frozen=True)
class Checkpoint:
    """Holds a loaded codec, ready to code recordings, and its description."""

    coder: RecordingCoder
    description: dict[str, Any]


def load_checkpoint(directory: Path) -> Checkpoint:
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
    if description.get("schema") != SCHEMA:
        raise CheckpointError(f"{DESCRIPTION}: schema={description.get('schema')!r}: must be {SCHEMA!r}")
    sha256 = hashlib.sha256(weights)
    if sha256.hexdigest() != description.get("weights_sha256"):
        raise CheckpointError(f"{WEIGHTS}: sha256 {sha256.hexdigest()} is not the one in {DESCRIPTION}")
    model = JointCodec(Architecture(**description["architecture"]))
    net = IntegerNet(**{name: _take(tensors, f"coder.{name}", np.int32) for name in _INTEGER})
    entropy = EntropyModel(net, _take(tensors, "coder.frequencies", np.int32))
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{WEIGHTS}: {error}") from error
    tier = TIERS[description["tier"]]
    digest = sha256.digest()[:DIGEST_BYTES]
    return Checkpoint(RecordingCoder(model, entropy, tier, description["lambda"], digest), description)


def _take(tensors: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    if name not in tensors or tensors[name].dtype != dtype:
        raise CheckpointError(f"{WEIGHTS}: tensor {name!r} is missing or not {np.dtype(dtype).name}")
    return tensors.pop(name)


# --- resume states -------------------------------------------------------------------------------------


def save_state(work: Path, epoch: int, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> Path:
    """Write the training state after ``epoch`` as one directory, in place only when complete.

    The one before is kept, for the case that this one cannot be read when it is needed.
    """
    final, temporary = work / f"epoch-{epoch:06d}", work / f".epoch-{epoch:06d}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    data = save(plain)
    (temporary / STATE).write_bytes(data)
    (temporary / STATE_FACTS).write_bytes(_json(facts | {"state_sha256": hashlib.sha256(data).hexdigest()}))
    for path in (*sorted(temporary.iterdir()), temporary):
        sync(path)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(work)
    kept = sorted(path for path in work.glob("epoch-*") if path <= final)[-GENERATIONS:]
    for old in work.glob("*epoch-*"):
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)
    return final


def load_state(
    work: Path, identity: str, say: Callable[[str], object]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Returns the newest whole state in ``work`` that was made by the same ``identity``, if any.

    Why another one is not used is said, with its file.

    Raises:
        CheckpointError: one cannot be read for a reason that may pass; nothing was removed.
    """
    for path in sorted(work.glob("epoch-*"), reverse=True):
        try:
            return _state(path, identity)
        except _NotUsed as error:
            say(f"resume: {path.name} is not used: {error}")
        except (OSError, MemoryError) as error:
            raise CheckpointError(
                f"{path}: the state to resume from cannot be read now ({error}): run the command again when"
                " that has passed, or with resume never to begin anew"
            ) from error
    return None


class _NotUsed(Exception):
    """Says that a state is damaged, or another training's."""


def _state(path: Path, identity: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        facts = json.loads((path / STATE_FACTS).read_bytes())
        made, sha256 = facts["identity"], facts.pop("state_sha256", None)
    except FileNotFoundError as error:
        raise _NotUsed(f"{STATE_FACTS} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _NotUsed(f"{STATE_FACTS} is damaged ({error})") from error
    if made != identity:
        raise _NotUsed("it was made with other settings, another device or another version of torch")
    try:
        data = (path / STATE).read_bytes()
    except FileNotFoundError as error:
        raise _NotUsed(f"{STATE} is missing") from error
    # a state of an older version names no digest
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise _NotUsed(f"{STATE} is damaged: of its {len(data)} bytes the SHA-256 is another")
    try:
        return load(data), facts
    except SafetensorError as error:
        raise _NotUsed(f"{STATE} is damaged ({error})") from error
