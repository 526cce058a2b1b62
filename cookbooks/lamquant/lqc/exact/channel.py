"""Encodes one channel: predicts each sample, and writes how far it lies from the prediction."""

from typing import Any

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.exact.coder import peek, put, put_bits, put_length, take, take_bits, take_length
from cookbooks.lamquant.lqc.exact.density import (
    HALF,
    SYMBOLS,
    TOTAL_BITS,
    Density,
    find,
    interval,
    new_density,
    place,
    weigh,
)
from cookbooks.lamquant.lqc.exact.predictor import AHEAD, PAST, learn, new_predictor, predict


@jit
def encode_channel(
    values: Any, bounds: Any, step: int, deviation: float, others: Any, state: Any, out: Any, decoded: Any
) -> None:
    """Encode ``values`` int64 [T] into ``out``, and fill ``decoded`` int64 [T] with what a decoder will give.

    Values lie in ``bounds`` (lowest, highest), and are coded to within ``step // 2``. ``deviation`` is a
    first guess at the error of prediction. ``others`` float64 [M, PAST + T + AHEAD] are channels already
    coded, from ``PAST`` samples before the first to ``AHEAD`` after the last.
    """
    predictor = new_predictor(len(others), deviation * deviation)
    density = new_density(deviation * deviation)
    signals = _signals(others, len(values))
    width = float(step)  # the square of an integer step may be beyond 64 bits
    for t in range(len(values)):
        predict(predictor, signals, t)
        centre, plain = place(density, predictor.predicted, width)
        quantised = (values[t] - centre + step // 2) // step
        _put_symbol(density, quantised, plain, state, out)
        value = min(max(centre + quantised * step, bounds[0]), bounds[1])
        decoded[t] = value
        weigh(density, predictor.predicted, value, width)
        learn(predictor, signals[0], value, t, width)


@jit
def decode_channel(
    bounds: Any, step: int, deviation: float, others: Any, state: Any, data: Any, decoded: Any
) -> None:
    """Fill ``decoded`` int64 [T] with what ``encode_channel`` coded."""
    predictor = new_predictor(len(others), deviation * deviation)
    density = new_density(deviation * deviation)
    signals = _signals(others, len(decoded))
    width = float(step)
    furthest = (1 << 36) // step  # only damaged data says more
    for t in range(len(decoded)):
        predict(predictor, signals, t)
        centre, plain = place(density, predictor.predicted, width)
        quantised = min(max(_take_symbol(density, plain, state, data), -furthest), furthest)
        value = min(max(centre + quantised * step, bounds[0]), bounds[1])
        decoded[t] = value
        weigh(density, predictor.predicted, value, width)
        learn(predictor, signals[0], value, t, width)


@jit
def _signals(others: Any, n_samples: int) -> Any:
    """Returns a channel not yet coded [PAST + T + AHEAD] above the ``others``."""
    signals = np.zeros((1 + len(others), PAST + n_samples + AHEAD))
    signals[1:] = others
    return signals


@jit
def _put_symbol(d: Density, quantised: int, plain: int, state: Any, out: Any) -> None:
    shifted = quantised + ((1 << plain) >> 1)
    symbol = (shifted >> plain) + HALF + 1
    inside = min(max(symbol, 0), SYMBOLS - 1)
    first, count = interval(d, inside, plain)
    put(state, out, first, count, TOTAL_BITS)
    if inside == 0:
        put_length(state, out, -symbol)
    elif inside == SYMBOLS - 1:
        put_length(state, out, symbol - inside)
    put_bits(state, out, shifted & ((1 << plain) - 1), plain)


@jit
def _take_symbol(d: Density, plain: int, state: Any, data: Any) -> int:
    symbol = find(d, peek(state, TOTAL_BITS), plain)
    first, count = interval(d, symbol, plain)
    take(state, data, first, count, TOTAL_BITS)
    if symbol == 0:
        symbol = -min(take_length(state, data), (1 << 36) >> plain)
    elif symbol == SYMBOLS - 1:
        symbol += min(take_length(state, data), (1 << 36) >> plain)
    return ((symbol - HALF - 1) << plain) + take_bits(state, data, plain) - ((1 << plain) >> 1)
