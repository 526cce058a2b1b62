"""Holds the probability model that both ends share, and counts it on training planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.context import N_FEATURES, IntegerNet
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS
from cookbooks.lamquant.lqc.static import quantise_static
from cookbooks.lamquant.lqc.tokens import ESCAPE, N_TABLES, N_TOKENS, SHIFTS, cost_table, starts_from

Planes = NDArray[np.float32]
_NET = "net."


@dataclass(frozen=True)
class PlaneSpec:
    """Holds what a decoder knows of planes before it reads them.

    ``levels`` uint8 [P]: ratio of signal to step of each plane (``levels.level_of``); ``offsets`` int8 [F]:
    by how many quarter octaves each frame's step is finer than the plane's.
    """

    levels: NDArray[np.uint8]
    hop: int
    rate_hz: float
    offsets: NDArray[np.int8]


@dataclass(frozen=True)
class EntropyModel:
    """Holds the context network and the cumulative token frequencies [N_TABLES, N_TOKENS + 1]."""

    net: IntegerNet
    starts: NDArray[np.int32]

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Returns named arrays for a checkpoint."""
        return {f"{_NET}{name}": value for name, value in self.net._asdict().items()} | {
            "starts": self.starts
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "EntropyModel":
        """Make the model of what ``as_arrays`` gave.

        Raises:
            LqcError: an array is missing, or of another type or shape; the message names it.
        """
        hidden = _array(arrays, f"{_NET}b2", (None,)).shape[0]
        shapes: dict[str, tuple[int | None, ...]] = {
            "w1": (N_FEATURES, hidden),
            "position": (N_POSITIONS, hidden),
            "level": (N_LEVELS, hidden),
            "duration": (N_DURATIONS, hidden),
            "w2": (hidden, hidden),
            "b2": (hidden,),
            "w3": (hidden,),
            "b3": (1,),
        }
        net = IntegerNet(**{name: _array(arrays, f"{_NET}{name}", shape) for name, shape in shapes.items()})
        starts = _array(arrays, "starts", (N_TABLES, N_TOKENS + 1))
        if (np.diff(starts, axis=1) < 1).any() or starts[:, 0].any() or (starts[:, -1] != 1 << 16).any():
            raise LqcError("starts: rows must rise from 0 to 65536: the checkpoint is damaged")
        return cls(net, starts)


def _array(arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int | None, ...]) -> NDArray[np.int32]:
    found = arrays.get(name)
    if found is None or found.dtype != np.int32 or len(found.shape) != len(shape):
        raise LqcError(f"{name}: missing, or not int32 of {len(shape)} dimensions: the checkpoint is damaged")
    if any(want is not None and want != size for want, size in zip(shape, found.shape, strict=True)):
        raise LqcError(f"{name}: shape {found.shape}, expected {shape}: the checkpoint is damaged")
    return np.ascontiguousarray(found)


def used_bins(y: NDArray[Any], floor: float) -> NDArray[np.int64]:
    """Returns how many bins of each plane y [P, F, K] reach ``floor`` somewhere: the last such one and all
    below it, [P].
    """
    reach = np.abs(y).max(1) >= floor
    width = y.shape[2]
    return np.where(reach.any(1), width - np.argmax(reach[:, ::-1], 1), 0).astype(np.int64)


def choose_static(
    y: Planes, spec: PlaneSpec, model: EntropyModel, lam: float
) -> tuple[NDArray[np.int32], NDArray[np.uint8], float]:
    """Returns integers and table indices [P, F, K] of planes y [P, F, K] (in steps), and their bits."""
    base = model.net.base(spec.hop, spec.rate_hz)
    bins, cost = used_bins(y, 0.5), cost_table(model.starts)
    return quantise_static(y, spec.levels, spec.offsets, bins, base, model.net, cost, lam)


def calibrate(
    net: IntegerNet, planes: Sequence[tuple[Planes, PlaneSpec]], lam: float, rounds: int = 2
) -> EntropyModel:
    """Count the token tables on training planes [P, F, K] (in steps).

    That is done ``rounds`` times, since choices and tables depend on each other.
    """
    counts = np.zeros((N_TABLES, N_TOKENS))
    model = EntropyModel(net, starts_from(counts))
    for _ in range(rounds):
        counts = np.zeros((N_TABLES, N_TOKENS))
        for y, spec in planes:
            q, tables, _ = choose_static(np.ascontiguousarray(y, np.float32), spec, model, lam)
            for p, bins in enumerate(used_bins(q, 1)):
                c, m = tables[p, :, :bins], np.abs(q[p, :, :bins])
                token = np.minimum(m >> SHIFTS[c], ESCAPE)
                cell = c.ravel().astype(np.int64) * N_TOKENS + token.ravel()
                counts += np.bincount(cell, minlength=counts.size).reshape(counts.shape)
        model = EntropyModel(net, starts_from(counts))
    return model
