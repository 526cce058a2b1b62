"""Reads a trained checkpoint: its probability model, and what it was trained for."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cookbooks.lamquant.lqc.entropy import EntropyModel
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.levels import N_LEVELS
from cookbooks.lamquant.lqc.tensors import read_tensors

SCHEMA = "blut.joint_codec.v2"
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
DIGEST_BYTES = 8
ENTROPY = "entropy."


@dataclass(frozen=True)
class Model:
    """Holds what was trained.

    Attributes:
        digest: first bytes of the SHA-256 of the weights; a file names its model by it.
        entropy: the probability model.
        lam: price of a bit in squared steps, when values are chosen.
        levels: least and largest level (``levels.level_of``) that it was trained and validated for.
        description: what ``model.json`` says.
    """

    digest: bytes
    entropy: EntropyModel
    lam: float
    levels: tuple[int, int]
    description: dict[str, Any]


def load_model(directory: str | Path) -> Model:
    """Read and verify the checkpoint in ``directory``.

    Raises:
        LqcError: a file is missing or damaged, or of another version; the message names file and field.
    """
    directory = Path(directory)
    try:
        text, weights = (directory / DESCRIPTION).read_bytes(), (directory / WEIGHTS).read_bytes()
    except OSError as error:
        raise LqcError(
            f"{directory}: not a checkpoint of the joint codec: {error.strerror or error}: give the directory"
            f" with {DESCRIPTION} and {WEIGHTS}"
        ) from error
    description = _description(text)
    if description.get("schema") != SCHEMA:
        raise LqcError(
            f"{DESCRIPTION}: schema={description.get('schema')!r}: must be {SCHEMA!r}: train the codec with"
            " this version to encode or to export it"
        )
    sha256 = hashlib.sha256(weights)
    if sha256.hexdigest() != description.get("weights_sha256"):
        raise LqcError(f"{WEIGHTS}: sha256 {sha256.hexdigest()} is not the one in {DESCRIPTION}")
    arrays = read_tensors(weights)
    entropy = {n.removeprefix(ENTROPY): a for n, a in arrays.items() if n.startswith(ENTROPY)}
    if unknown := arrays.keys() - {ENTROPY + n for n in entropy}:
        raise LqcError(f"{WEIGHTS}: unknown arrays {sorted(unknown)}: the checkpoint is of a newer version")
    return Model(
        sha256.digest()[:DIGEST_BYTES],
        EntropyModel.from_arrays(entropy),
        _price(description),
        _levels(description),
        description,
    )


def _description(text: bytes) -> dict[str, Any]:
    try:
        description = json.loads(text)
    except ValueError as error:
        raise LqcError(f"{DESCRIPTION}: not JSON: {error}") from error
    if not isinstance(description, dict):
        raise LqcError(f"{DESCRIPTION}: must be an object, is {type(description).__name__}")
    return description


def _price(description: dict[str, Any]) -> float:
    lam = description.get("lambda")
    if isinstance(lam, bool) or not isinstance(lam, int | float) or not 0 <= lam <= 1:
        raise LqcError(f"{DESCRIPTION}: lambda={lam!r}: must be a number from 0 to 1")
    return float(lam)


def _levels(description: dict[str, Any]) -> tuple[int, int]:
    match description.get("levels"):
        case [int(low), int(high)] if 0 <= low <= high < N_LEVELS:
            return low, high
    raise LqcError(
        f"{DESCRIPTION}: levels={description.get('levels')!r}: must be [least, largest] below {N_LEVELS}"
    )
