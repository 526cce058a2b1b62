"""Runs a trained controller in integers: int8 weights, no float, the same on every machine.

Inputs and outputs of layers are in 1/256. A layer's sum of int8 times inputs is scaled back by one multiplier
a row. States of leaky units are in 1/65536.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import inlined, jit

ONE = 256
INPUT_LIMIT = 2047
"""Standardised inputs are kept within eight standard deviations."""
_SCALE_BITS = 16
_LIMIT = (1 << 20) - 1
_SIGMOID = np.round(32767 / (1 + np.exp(-(np.arange(512) - 255.5) / 32))).astype(np.int64)
"""In 1/32767, for -8 to 8 in steps of 1/32."""


class Linear(NamedTuple):
    """Holds one layer: ``weight`` int8 ``[out, in]``, ``scale`` int32 ``[out]`` in 1/65536, ``bias`` int32
    ``[out]`` in 1/256."""

    weight: NDArray[np.int8]
    scale: NDArray[np.int32]
    bias: NDArray[np.int32]


def quantised(weight: NDArray[np.floating], bias: NDArray[np.floating]) -> Linear:
    """Returns a float layer ``[out, in]`` as integers, each row with a scale of its own."""
    scale = np.maximum(np.round(np.abs(weight).max(axis=1) / 127 * (1 << _SCALE_BITS)), 1)
    rounded = np.round(weight / (scale[:, None] / (1 << _SCALE_BITS)))
    return Linear(
        np.clip(rounded, -127, 127).astype(np.int8),
        np.minimum(scale, 2**31 - 1).astype(np.int32),
        np.round(np.clip(bias, -4000, 4000) * ONE).astype(np.int32),
    )


@inlined
def _linear(weight, scale, bias, x, out):
    for o in range(len(out)):
        total = np.int64(0)
        for i in range(len(x)):
            total += np.int64(weight[o, i]) * x[i]
        out[o] = min(max(((total * scale[o]) >> _SCALE_BITS) + bias[o], -_LIMIT), _LIMIT)


@inlined
def _sigmoid(x, table):
    return table[(min(max(x, -2048), 2047) + 2048) >> 3]


@jit
def standardise(features, mean, gain, out):
    """Writes ``(features - mean) / deviation`` in 1/256; ``gain`` is 4096 over the deviation."""
    for t in range(features.shape[0]):
        for i in range(features.shape[1]):
            v = (np.int64(features[t, i] - mean[i]) * gain[i]) >> 12
            out[t, i] = min(max(v, -INPUT_LIMIT), INPUT_LIMIT)


@jit
def run_leaky(x, weight, scale, bias, pace, state, out):
    """Writes ``[T, out]``: a linear layer whose outputs follow with ``pace`` in 1/32768.

    ``state`` goes on.
    """
    z = np.zeros(out.shape[1], np.int64)
    for t in range(x.shape[0]):
        _linear(weight, scale, bias, x[t], z)
        for o in range(len(z)):
            state[o] += (pace[o] * ((z[o] << 8) - state[o])) >> 15
            out[t, o] = state[o] >> 8


@jit
def run_linear(x, weight, scale, bias, out):
    """Writes ``[T, out]``: a linear layer."""
    for t in range(x.shape[0]):
        _linear(weight, scale, bias, x[t], out[t])


@jit
def run_gated(u, g, k, m_weight, m_scale, m_bias, table, state, out):
    """Writes ``[T, d]``: units that take in ``u`` as fast as the gate ``g`` says, and a layer over them and
    ``tanh(k)``, negative values cut to 0; ``state`` goes on."""
    d = u.shape[1]
    z = np.zeros(2 * d, np.int64)
    for t in range(u.shape[0]):
        for j in range(d):
            state[j] += (_sigmoid(g[t, j], table) * ((u[t, j] << 8) - state[j])) >> 15
            z[j] = state[j] >> 8
            z[d + j] = (2 * _sigmoid(2 * k[t, j], table) - 32767) >> 7
        _linear(m_weight, m_scale, m_bias, z, out[t])
        for j in range(out.shape[1]):
            out[t, j] = max(out[t, j], 0)


@jit
def run_spiking(a, recurrent, r_scale, second, s_scale, s_bias, shift, state, out):
    """Writes the spikes ``[T, d]`` (0 or 256) of the second of two layers of leaky units that fire above 1.

    ``state`` ``[3, d]`` holds both layers' potentials and the first one's spikes, and goes on.
    """
    d = a.shape[1]
    back, none = np.zeros(d, np.int64), np.zeros(d, np.int64)
    for t in range(a.shape[0]):
        _linear(recurrent, r_scale, none, state[2], back)
        for j in range(d):
            u = state[0, j] - (state[0, j] >> shift[j]) + a[t, j] + back[j]
            fires = u > ONE
            state[2, j] = ONE if fires else 0
            state[0, j] = min(max(u - state[2, j], -_LIMIT), _LIMIT)
        _linear(second, s_scale, s_bias, state[2], back)
        for j in range(d):
            v = state[1, j] - (state[1, j] >> shift[j]) + back[j]
            out[t, j] = ONE if v > ONE else 0
            state[1, j] = min(max(v - out[t, j], -_LIMIT), _LIMIT)


def sigmoid_table() -> NDArray[np.int64]:
    """Returns the table of ``run_gated``, int64 ``[512]``."""
    return _SIGMOID
