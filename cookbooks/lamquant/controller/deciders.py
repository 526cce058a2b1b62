"""Builds the three kinds of controller from integer arrays; each runs any number of frames at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.integer import (
    Linear,
    run_gated,
    run_leaky,
    run_linear,
    run_spiking,
    sigmoid_table,
    standardise,
)

Kind = Literal["logistic", "ssm", "lif"]
KINDS = get_args(Kind)
N_OUT = 2
"""Scores: critical and interesting."""
Arrays = Mapping[str, NDArray[Any]]


class Decider(Protocol):
    """Turns standardised numbers ``[T, 27]`` into scores, log odds in 1/256, ``[T, 2]``."""

    def start(self) -> list[NDArray[np.int64]]:
        """Returns the state before the first frame."""
        ...

    def run(self, x: NDArray[np.int64], state: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Returns the scores of the next frames; ``state`` goes on."""
        ...

    def macs(self) -> int:
        """Returns multiplications of a frame."""
        ...


def layer(arrays: Arrays, name: str) -> Linear:
    """Returns one layer of the arrays.

    Raises:
        KeyError: it is not there.
    """
    return Linear(*(arrays[f"{name}.{part}"] for part in Linear._fields))


def named(name: str, one: Linear) -> dict[str, NDArray[Any]]:
    """Returns the arrays of a layer by name."""
    return {f"{name}.{part}": value for part, value in one._asdict().items()}


def _apply(one: Linear, x: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.zeros((len(x), len(one.bias)), np.int64)
    run_linear(x, *one, out)
    return out


@dataclass(frozen=True)
class Leaky:
    """Holds a linear layer whose outputs follow slowly: the logistic controller, and the end of `Spiking`."""

    out: Linear
    pace: NDArray[np.int32]

    def start(self) -> list[NDArray[np.int64]]:
        return [np.zeros(len(self.pace), np.int64)]

    def run(self, x: NDArray[np.int64], state: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        out = np.zeros((len(x), len(self.pace)), np.int64)
        run_leaky(x, *self.out, self.pace, state[0], out)
        return out

    def macs(self) -> int:
        return self.out.weight.size + len(self.pace)


@dataclass(frozen=True)
class Gated:
    """Holds blocks of gated linear recurrences: each of layers u, g, k and m."""

    blocks: tuple[tuple[Linear, Linear, Linear, Linear], ...]
    out: Linear

    def start(self) -> list[NDArray[np.int64]]:
        return [np.zeros(len(u.bias), np.int64) for u, *_ in self.blocks]

    def run(self, x: NDArray[np.int64], state: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        for (u, g, k, m), held in zip(self.blocks, state, strict=True):
            out = np.zeros((len(x), len(m.bias)), np.int64)
            run_gated(_apply(u, x), _apply(g, x), _apply(k, x), *m, sigmoid_table(), held, out)
            x = out
        return _apply(self.out, x)

    def macs(self) -> int:
        blocks = sum(part.weight.size for block in self.blocks for part in block)
        return blocks + sum(len(u.bias) for u, *_ in self.blocks) + self.out.weight.size


@dataclass(frozen=True)
class Spiking:
    """Holds two layers of leaky units that fire, and a readout that follows slowly."""

    first: Linear
    recurrent: Linear
    second: Linear
    shift: NDArray[np.int32]
    readout: Leaky

    def start(self) -> list[NDArray[np.int64]]:
        return [np.zeros((3, len(self.shift)), np.int64), *self.readout.start()]

    def run(self, x: NDArray[np.int64], state: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        return self.readout.run(self.spikes(x, state[0]), state[1:])

    def spikes(self, x: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the spikes of the second layer, 0 or 256, ``[T, d]``."""
        out = np.zeros((len(x), len(self.shift)), np.int64)
        recurrent = self.recurrent.weight, self.recurrent.scale
        run_spiking(_apply(self.first, x), *recurrent, *self.second, self.shift, state, out)
        return out

    def macs(self) -> int:
        # the layers behind spikes only add
        return self.first.weight.size


def decider(kind: str, arrays: Arrays) -> Decider:
    """Returns the controller of a kind whose arrays are named ``<kind>.…``.

    Raises:
        KeyError: an array is missing.
        ValueError: an unknown kind.
    """
    if kind == "logistic":
        return Leaky(layer(arrays, "logistic.out"), arrays["logistic.pace"])
    if kind == "ssm":
        n = sum(name.startswith("ssm.") and name.endswith(".u.bias") for name in arrays)
        u, g, k, m = ([layer(arrays, f"ssm.{block}.{part}") for block in range(n)] for part in "ugkm")
        return Gated(tuple(zip(u, g, k, m, strict=True)), layer(arrays, "ssm.out"))
    if kind == "lif":
        first, recurrent, second = (layer(arrays, f"lif.{part}") for part in ("first", "recurrent", "second"))
        readout = Leaky(layer(arrays, "lif.out"), arrays["lif.pace"])
        return Spiking(first, recurrent, second, arrays["lif.shift"], readout)
    raise ValueError(f"model={kind!r}: must be one of {', '.join(KINDS)}")


def standardised(arrays: Arrays, features: NDArray[np.int32]) -> NDArray[np.int64]:
    """Returns pooled numbers ``[T, 27]`` in the standard deviations of the training set, in 1/256."""
    out = np.zeros(features.shape, np.int64)
    standardise(features, arrays["input.mean"], arrays["input.gain"], out)
    return out
