"""Reads and writes a refining decoder: ``refine.safetensors`` and ``refine.json``; no pickle anywhere."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cookbooks.lamquant.lqc.errors import LqcError, ModelError
from cookbooks.lamquant.lqc.model import DIGEST_BYTES
from cookbooks.lamquant.lqc.tensors import read_tensors
from cookbooks.lamquant.refine.network import RefineNet
from cookbooks.lamquant.refine.refiner import LoadedRefiner

SCHEMA = "blut.refining_decoder.v1"
WEIGHTS, DESCRIPTION = "refine.safetensors", "refine.json"
FOR_ENCODER = "for_encoder"
"""The field that names the weights, by their SHA-256, of the codec whose files are decoded."""


def load_refiner(directory: str | Path) -> LoadedRefiner:
    """Read and verify the decoder in ``directory``.

    Raises:
        LqcError: a file is missing or damaged, or of another version; the message names file and field.
    """
    directory = Path(directory)
    try:
        text, weights = (directory / DESCRIPTION).read_bytes(), (directory / WEIGHTS).read_bytes()
    except OSError as error:
        raise LqcError(
            f"{directory}: not a refining decoder: {error.strerror or error}: give the directory with"
            f" {DESCRIPTION} and {WEIGHTS}"
        ) from error
    description = description_of(text)
    if description.get("schema") != SCHEMA:
        raise LqcError(f"{DESCRIPTION}: schema={description.get('schema')!r}: must be {SCHEMA!r}")
    found = hashlib.sha256(weights).hexdigest()
    if found != description.get("weights_sha256"):
        raise LqcError(f"{WEIGHTS}: sha256 {found} is not the one in {DESCRIPTION}")
    return LoadedRefiner(_encoder(description), RefineNet.from_arrays(read_tensors(weights)))


def description_of(text: bytes) -> dict[str, Any]:
    """Returns what ``refine.json`` says.

    Raises:
        ModelError: it is not an object in JSON.
    """
    try:
        description = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{DESCRIPTION}: not JSON: {error}") from error
    if not isinstance(description, dict):
        raise ModelError(f"{DESCRIPTION}: must be an object, is {type(description).__name__}")
    return description


def _encoder(description: dict[str, Any]) -> bytes:
    said = description.get(FOR_ENCODER)
    try:
        digest = bytes.fromhex(said) if isinstance(said, str) else b""
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ModelError(f"{DESCRIPTION}: {FOR_ENCODER}={said!r}: must be the SHA-256 of a codec's weights")
    return digest[:DIGEST_BYTES]
