"""Holds the probability model that both ends share, and counts it on training planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.adaptive import (
    N_CHOICES,
    N_COUNTERS,
    N_INPUTS,
    N_LOW,
    N_SIGNS,
    Mixture,
    code_planes,
    fresh_mixture,
    mixed_positions,
)
from cookbooks.lamquant.lqc.context import N_FEATURES, IntegerNet
from cookbooks.lamquant.lqc.errors import ModelError
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS
from cookbooks.lamquant.lqc.mixing import COUNTERS_END, rested
from cookbooks.lamquant.lqc.points import N_KINDS, N_SHIFTED
from cookbooks.lamquant.lqc.quantise import choose_full
from cookbooks.lamquant.lqc.range_coder import new_encoder
from cookbooks.lamquant.lqc.static import quantise_static
from cookbooks.lamquant.lqc.tokens import ESCAPE, N_TABLES, N_TOKENS, SHIFTS, cost_table, starts_from

Planes = NDArray[np.float32]
_LIMIT, _RATES = 1000, (14, 8)
"""Observations that a counter averages over while it is trained, and the weights' rate in each pass."""
_MOST_SEEN = 60
_CENTROID_WEIGHT = 30.0
_NO_CENTROIDS = np.zeros((N_KINDS, N_TABLES, N_SHIFTED), np.int32)
_NO_PLANES = np.zeros((0, 0, 0), np.float32)
_MIXTURE: dict[str, tuple[int, ...]] = {
    "counters": (N_COUNTERS,),
    "weights": (N_CHOICES, N_INPUTS),
    "signs": (N_LOW * N_SIGNS,),
    "centroids": (N_KINDS, N_TABLES, N_SHIFTED),
}


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
    """Holds the context network and what was counted with it.

    ``starts`` int32 [tables, tokens + 1] are the cumulative frequencies of the device profile; ``prices``
    int32 [kinds, tables, tokens + 1] those by which the full profile's quantiser judges, and ``mixture`` the
    state its coder starts from.
    """

    net: IntegerNet
    starts: NDArray[np.int32]
    prices: NDArray[np.int32]
    mixture: Mixture

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Returns named arrays for a checkpoint."""
        net = {f"net.{name}": value for name, value in self.net._asdict().items()}
        mixture = {f"mixture.{name}": value for name, value in self.mixture._asdict().items()}
        return net | mixture | {"starts": self.starts, "prices": self.prices}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "EntropyModel":
        """Make the model of what ``as_arrays`` gave.

        Raises:
            ModelError: an array is missing, or of another type or shape; the message names it.
        """
        hidden = _array(arrays, "net.b2", (None,)).shape[0]
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
        net = IntegerNet(**{name: _array(arrays, f"net.{name}", shape) for name, shape in shapes.items()})
        mixture = Mixture(
            **{name: _array(arrays, f"mixture.{name}", shape) for name, shape in _MIXTURE.items()}
        )
        seen = np.concatenate([mixture.counters, mixture.signs])
        if int(seen.min()) < 0 or int(seen.max()) >= COUNTERS_END:
            raise ModelError("mixture: a counter is out of range: the checkpoint is damaged")
        if int(np.abs(mixture.centroids.astype(np.int64)).max()) > 1024:
            raise ModelError("mixture.centroids: more than a step: the checkpoint is damaged")
        starts = _cumulative(arrays, "starts", (N_TABLES, N_TOKENS + 1))
        return cls(net, starts, _cumulative(arrays, "prices", (N_KINDS, N_TABLES, N_TOKENS + 1)), mixture)


def _array(arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int | None, ...]) -> NDArray[np.int32]:
    found = arrays.get(name)
    if found is None or found.dtype != np.int32 or len(found.shape) != len(shape):
        raise ModelError(
            f"{name}: missing, or not int32 of {len(shape)} dimensions: the checkpoint is damaged"
        )
    if any(want is not None and want != size for want, size in zip(shape, found.shape, strict=True)):
        raise ModelError(f"{name}: shape {found.shape}, expected {shape}: the checkpoint is damaged")
    return np.ascontiguousarray(found)


def _cumulative(arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.int32]:
    rows = _array(arrays, name, shape)
    if (np.diff(rows, axis=-1) < 1).any() or rows[..., 0].any() or (rows[..., -1] != 1 << 16).any():
        raise ModelError(f"{name}: rows must rise from 0 to 65536: the checkpoint is damaged")
    return rows


def used_bins(y: NDArray[Any], floor: float) -> NDArray[np.int64]:
    """Returns how many bins of each plane y [P, F, K] reach ``floor`` somewhere: the last such one and all
    below it, [P].
    """
    reach = np.abs(y).max(1) >= floor
    width = y.shape[2]
    return np.where(reach.any(1), width - np.argmax(reach[:, ::-1], 1), 0).astype(np.int64)


def choose_static(
    y: Planes, spec: PlaneSpec, net: IntegerNet, starts: NDArray[np.int32], lam: float
) -> tuple[NDArray[np.int32], NDArray[np.uint8], float]:
    """Returns the device profile's integers and table indices [P, F, K] of planes y [P, F, K] (in steps), and
    their bits.
    """
    base, bins = net.base(spec.hop, spec.rate_hz), used_bins(y, 0.5)
    return quantise_static(y, spec.levels, spec.offsets, bins, base, net, cost_table(starts)[None], lam)


def choose_trellis(
    y: Planes,
    spec: PlaneSpec,
    net: IntegerNet,
    prices: NDArray[np.int32],
    lam: float,
    centroids: NDArray[np.int32] = _NO_CENTROIDS,
    recon: Planes = _NO_PLANES,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Returns the full profile's integers [P, F, K] of planes y (in steps), and how often each token of
    [kinds, tables, tokens] was chosen. ``recon``, if given, is filled with what they stand for.
    """
    base, bins = net.base(spec.hop, spec.rate_hz), used_bins(y, 0.5)
    counts = np.zeros((N_KINDS, N_TABLES, N_TOKENS), np.int64)
    cost = cost_table(prices)
    q = choose_full(y, spec.levels, spec.offsets, bins, base, net, cost, lam, counts, centroids, recon)
    return q, counts


Training = Sequence[tuple[Planes, PlaneSpec]]


def calibrate(net: IntegerNet, planes: Training, lam: float, rounds: int = 3) -> EntropyModel:
    """Count all that both profiles need on training planes [P, F, K] (in steps).

    Tables are counted ``rounds`` times, since choices and tables depend on each other. The mixture is the
    state after coding all planes twice, in an order that mixes them.
    """
    planes = [(np.ascontiguousarray(y, np.float32), spec) for y, spec in planes]
    starts = count_static(net, planes, lam, rounds)
    prices, chosen = np.stack([starts_from(np.zeros((N_TABLES, N_TOKENS)))] * N_KINDS), []
    for _ in range(rounds):
        counts, chosen = np.zeros((N_KINDS, N_TABLES, N_TOKENS)), []
        for y, spec in planes:
            q, more = choose_trellis(y, spec, net, prices, lam)
            counts += more
            chosen.append(q)
        prices = np.stack([starts_from(kind, 8.0) for kind in counts])
    return EntropyModel(net, starts, prices, _mixture(net, planes, chosen))


def count_static(net: IntegerNet, planes: Training, lam: float, rounds: int) -> NDArray[np.int32]:
    """Returns the cumulative frequencies of the device profile, counted on planes [P, F, K] (in steps)."""
    starts = starts_from(np.zeros((N_TABLES, N_TOKENS)))
    for _ in range(rounds):
        tokens = [_static_tokens(y, spec, net, starts, lam) for y, spec in planes]
        starts = starts_from(np.sum(tokens, axis=0))
    return starts


def _static_tokens(
    y: Planes, spec: PlaneSpec, net: IntegerNet, starts: NDArray[np.int32], lam: float
) -> NDArray[np.float64]:
    q, tables, _ = choose_static(y, spec, net, starts, lam)
    counts = np.zeros(N_TABLES * N_TOKENS)
    for p, bins in enumerate(used_bins(q, 1)):
        c, m = tables[p, :, :bins], np.abs(q[p, :, :bins])
        token = np.minimum(m >> SHIFTS[c], ESCAPE)
        counts += np.bincount((c.astype(np.int64) * N_TOKENS + token).ravel(), minlength=counts.size)
    return counts.reshape(N_TABLES, N_TOKENS)


def _mixture(net: IntegerNet, planes: Training, chosen: list[NDArray[np.int32]]) -> Mixture:
    mixture, order = fresh_mixture(), np.random.default_rng(0).permutation(len(chosen))
    none, said = np.zeros(0, np.uint8), np.zeros((2, mixture.centroids.size))
    for again, rate in enumerate(_RATES):
        for i in order.tolist():
            (y, spec), q = planes[i], chosen[i]
            recon, cells = np.zeros_like(y), np.full(q.shape, -1, np.int16)
            code_planes(
                False, new_encoder(), none, q.copy(), recon, cells, spec.levels, spec.offsets,
                used_bins(q, 1), net.base(spec.hop, spec.rate_hz), net, mixture,
                mixed_positions(spec.hop, spec.rate_hz), _LIMIT, rate,
            )  # fmt: skip
            if again:
                some = q != 0
                cell = cells[some].astype(np.int64) * N_SHIFTED + np.minimum(np.abs(q[some]), N_SHIFTED - 1)
                error = np.abs(y[some]) - np.abs(recon[some])
                for row, weights in enumerate((error, None)):
                    said[row] += np.bincount(cell, weights, minlength=mixture.centroids.size)
    moved = np.clip(np.round(1024 * said[0] / (said[1] + _CENTROID_WEIGHT)), -512, 512).astype(np.int32)
    return mixture._replace(
        counters=rested(mixture.counters, _MOST_SEEN),
        signs=rested(mixture.signs, _MOST_SEEN),
        centroids=moved.reshape(mixture.centroids.shape),
    )
