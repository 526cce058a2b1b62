"""A checkpoint of the first joint codec, as its trainer wrote them: nothing makes such a one any more."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from cookbooks.lamquant.codec.v1.entropy import N_SCALES, FirstIntegerNet, frequencies_from
from cookbooks.lamquant.codec.v1.model import Architecture, JointCodec

HIDDEN = 4


def write_first(root: Path, seed: int = 0) -> Path:
    """Write ``model.safetensors`` and ``model.json``; its network guesses by the last magnitude alone."""
    torch.manual_seed(seed)
    model = JointCodec(Architecture(64, 4, HIDDEN))
    tensors = {name: t.detach().numpy() for name, t in model.state_dict().items()}
    zero = {name: np.zeros(shape, np.int32) for name, shape in _shapes().items()}
    zero["w1"][0, :] = 100
    zero["w2"][0, 0] = zero["w3"][0] = 1024
    zero["b3"][:] = -(16 << 10)
    net = FirstIntegerNet(**zero)
    tensors |= {f"coder.{name}": getattr(net, name) for name in FirstIntegerNet.__dataclass_fields__}
    tensors["coder.frequencies"] = frequencies_from(np.zeros((N_SCALES, 16)))
    weights = save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})
    description = {
        "schema": "blut.joint_codec.v1",
        "architecture": {"hop": 64, "width": 4, "hidden": HIDDEN},
        "lambda": 0.13,
        "tier": 3,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "model.safetensors").write_bytes(weights)
    (root / "model.json").write_text(json.dumps(description))
    return root


def _shapes() -> dict[str, tuple[int, ...]]:
    return {
        "w1": (HIDDEN, 13),
        "position": (257, HIDDEN),
        "level": (40, HIDDEN),
        "w2": (HIDDEN, HIDDEN),
        "b2": (HIDDEN,),
        "w3": (HIDDEN,),
        "b3": (1,),
    }
