"""Reads a trunk that was trained without labels."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.controller.presets import ControllerPreset

TRUNK, TRUNK_FACTS, TRUNK_SCHEMA = "trunk.safetensors", "trunk.json", "blut.controller_trunk.v1"
SEEN = "recordings"
"""Names in the facts the recordings that a trunk was trained and chosen by."""


class Trunk(NamedTuple):
    """Holds tensors by the names of `SsmNet`, and mean and gain of the inputs that they are used to."""

    tensors: dict[str, torch.Tensor]
    inputs: dict[str, NDArray[np.int32]]


def read_trunk(directory: Path, preset: ControllerPreset, open_to_it: Collection[str]) -> Trunk:
    """Returns the trunk of a directory.

    Args:
        directory: of the trunk.
        preset: of the controller that begins with it.
        open_to_it: recordings that the controller may learn from; of others, some may be sealed.

    Raises:
        Refused: it cannot be read, is of another size than the preset's, or has seen other recordings.
    """
    try:
        facts = json.loads((directory / TRUNK_FACTS).read_bytes())
        tensors = load((directory / TRUNK).read_bytes())
        if facts["schema"] != TRUNK_SCHEMA:
            raise ValueError(f"schema={facts['schema']!r}: must be {TRUNK_SCHEMA!r}")
        size = facts["width"], facts["depth"]
        others = sorted(set(facts[SEEN]).difference(open_to_it))
        inputs = {name: np.array(value, np.int32) for name, value in facts["inputs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise Refused(f"{directory.name}: not a trunk of a controller: {error!r}; train it again") from error
    if size != (preset.width, preset.depth):
        raise Refused(
            f"the trunk has width {size[0]} and depth {size[1]}, and preset {preset.name!r} wants"
            f" {preset.width} and {preset.depth}: train both with one preset"
        )
    if others:
        raise Refused(
            f"the trunk has seen {others[0]} and {len(others) - 1} more that this training may not see: some"
            " may be sealed; train it on these labels' recordings"
        )
    return Trunk(tensors, inputs)
