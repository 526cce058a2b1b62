"""Keeps resumable states of a training: whole or not at all, the newest two; no pickle."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from blut_resources.files.durable import sync
from cookbooks.lamquant.codec.errors import CheckpointError

STATE, STATE_FACTS = "state.safetensors", "state.json"
GENERATIONS = 2
"""Resume states that are kept."""


def _json(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()


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
