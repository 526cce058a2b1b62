"""Evaluates the refining network with numpy: small convolutions over frames and bins of one plane.

The network is even (see ``features``); it returns the weights of the odd features. The first layer sees three
frames and five bins, each later one adds what three by three of the layer before tell.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import ModelError
from cookbooks.lamquant.lqc.planes import PROFILES
from cookbooks.lamquant.refine.features import N_ABOUT, N_LOCAL, N_ODD, N_SPREAD

FIRST, LATER = (3, 5), (3, 3)
"""Frames and bins of the kernels."""
MAX_WIDTH, MAX_DEPTH = 256, 12
Array = NDArray[np.float32]


@dataclass(frozen=True)
class RefineNet:
    """Holds the weights, float32.

    Attributes:
        spread: first layer's kernel, [3, 5, N_SPREAD, width].
        local: what the first layer takes of the coefficient itself, [N_LOCAL, width].
        about: what it takes of frequency, level, duration and profile, [N_ABOUT, width].
        kernels: the later layers', [depth, 3, 3, width, width].
        biases: theirs, [depth, width].
        out: weights of the answer, [width, N_ODD].
        out_bias: its bias, [N_ODD].
        strength: by how much the answer counts in profiles ``device`` and ``full``, [2].
    """

    spread: Array
    local: Array
    about: Array
    kernels: Array
    biases: Array
    out: Array
    out_bias: Array
    strength: Array

    @property
    def reach(self) -> int:
        """Returns frames to each side that an answer depends on."""
        return 1 + len(self.kernels)

    def weigh(self, spread: Array, local: Array, bias: Array) -> Array:
        """Returns the weights [F, K, N_ODD] of odd features.

        ``spread`` [F, K, N_SPREAD] and ``local`` [F, K, N_LOCAL] are those of ``features``; ``bias`` is
        ``about @ self.about``, [K, width], or [F, K, width] where the level changes from frame to frame.
        """
        h = convolved(spread, self.spread) + local @ self.local + bias
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            h += convolved(np.maximum(h, 0), kernel) + bias
        return np.maximum(h, 0) @ self.out + self.out_bias

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "RefineNet":
        """Make the network of named arrays.

        Raises:
            ModelError: one is missing, or of another type or shape; the message names it.
        """
        width = _shape(arrays, "out", 2)[0]
        depth = _shape(arrays, "biases", 2)[0]
        if not (1 <= width <= MAX_WIDTH and 1 <= depth <= MAX_DEPTH):
            raise ModelError(f"out, biases: width {width} and depth {depth}: the decoder is damaged")
        shapes: dict[str, tuple[int, ...]] = {
            "spread": (*FIRST, N_SPREAD, width),
            "local": (N_LOCAL, width),
            "about": (N_ABOUT, width),
            "kernels": (depth, *LATER, width, width),
            "biases": (depth, width),
            "out": (width, N_ODD),
            "out_bias": (N_ODD,),
            "strength": (len(PROFILES),),
        }
        for name, shape in shapes.items():
            if _shape(arrays, name, len(shape)) != shape:
                raise ModelError(
                    f"{name}: shape {arrays[name].shape}, expected {shape}: the decoder is damaged"
                )
        return cls(**{name: np.ascontiguousarray(arrays[name]) for name in shapes})


def convolved(x: Array, kernel: Array) -> Array:
    """Returns x [F, K, in] convolved with a kernel [frames, bins, in, out], zeros around it, [F, K, out]."""
    high, wide, inner, size = kernel.shape
    frames, width, _ = x.shape
    padded = np.pad(x, ((high // 2, high // 2), (wide // 2, wide // 2), (0, 0)))
    around = [padded[f : f + frames, k : k + width] for f in range(high) for k in range(wide)]
    flat = np.concatenate(around, -1).reshape(-1, high * wide * inner)
    return (flat @ kernel.reshape(-1, size)).reshape(frames, width, size)


def _shape(arrays: dict[str, NDArray[Any]], name: str, dimensions: int) -> tuple[int, ...]:
    found = arrays.get(name)
    if found is None or found.dtype != np.float32 or found.ndim != dimensions:
        raise ModelError(
            f"{name}: missing, or not float32 of {dimensions} dimensions: the decoder is damaged"
        )
    if not np.isfinite(found).all():
        raise ModelError(f"{name}: a weight is not finite: the decoder is damaged")
    return found.shape
