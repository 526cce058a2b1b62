"""Encodes a chunk of channels with a bounded error: what is said of each channel first, then its samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.exact.channel import decode_channel, encode_channel
from cookbooks.lamquant.lqc.exact.order import MAX_OTHERS, CodingTurn, turns
from cookbooks.lamquant.lqc.exact.predictor import AHEAD, PAST
from cookbooks.lamquant.lqc.exact.stream import BitReader, BitWriter

Integers = NDArray[np.int32]
LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1


def encode_exact(samples: Integers, max_error: int | Sequence[int] | NDArray[np.integer[Any]] = 0) -> bytes:
    """Encode ``samples`` int32 [C, T] so that each decodes to within ``max_error``, in digital units.

    One number holds for all channels, or each has its own. 0 gives the samples back as they were. Predicted
    from what the decoder will have, errors do not add up. Raises ``LqcError`` for samples of another shape or
    type, and for a ``max_error`` below 0 or of another length.
    """
    if samples.ndim != 2 or samples.dtype != np.int32:
        raise LqcError(
            f"samples are {samples.dtype} of shape {samples.shape}; give int32 of shape [channels, samples]"
        )
    errors = _errors(max_error, len(samples))
    if not samples.size:
        return b""
    writer = BitWriter()
    _put_errors(writer, errors)
    order = turns(samples)
    decoded = np.zeros((len(samples), PAST + samples.shape[1] + AHEAD))
    for done, turn in enumerate(order):
        _put_turn(writer, turn, [one.channel for one in order[:done]], len(samples))
        values = samples[turn.channel].astype(np.int64)
        first = int(values[0])
        stride = int(np.gcd.reduce(values - first)) or 1
        values = (values - first) // stride
        scale = int(np.abs(np.diff(values)).mean()).bit_length() if len(values) > 1 else 0
        writer.signed(first)
        writer.length(stride - 1)
        writer.length(scale)
        step = 2 * (errors[turn.channel] // stride) + 1
        out = np.empty(len(values), np.int64)
        encode_channel(
            values, _bounds(first, stride), step, float(1 << scale), _others(decoded, turn),
            writer.state, writer.room(16 * len(values)), out,
        )  # fmt: skip
        _keep(decoded[turn.channel], out, scale)
    return writer.close()


def decode_exact(data: bytes, n_channels: int, n_samples: int) -> Integers:
    """Decode what ``encode_exact`` made of samples; returns int32 [``n_channels``, ``n_samples``].

    Damaged bytes give other values, or raise ``LqcError``.
    """
    samples = np.zeros((n_channels, n_samples), np.int32)
    if not samples.size:
        return samples
    reader = BitReader(data)
    errors = _take_errors(reader, n_channels)
    decoded = np.zeros((n_channels, PAST + n_samples + AHEAD))
    done: list[int] = []
    for _ in range(n_channels):
        turn = _take_turn(reader, done, n_channels)
        first = reader.signed()
        stride = reader.length() + 1
        scale = reader.length()
        if not LOWEST <= first <= HIGHEST or stride >= 1 << 32 or scale > 33:
            raise LqcError(
                f"channel {turn.channel} begins at {first} by {stride}, scale {scale}; bytes are damaged"
            )
        step = 2 * (errors[turn.channel] // stride) + 1
        out = np.empty(n_samples, np.int64)
        decode_channel(
            _bounds(first, stride),
            step,
            float(1 << scale),
            _others(decoded, turn),
            reader.state,
            reader.data,
            out,
        )
        reader.check()
        samples[turn.channel] = first + stride * out
        _keep(decoded[turn.channel], out, scale)
        done.append(turn.channel)
    return samples


def _errors(max_error: int | Sequence[int] | NDArray[np.integer[Any]], n_channels: int) -> list[int]:
    errors = np.asarray(max_error)
    if errors.dtype.kind not in "iu" or errors.shape not in ((), (n_channels,)):
        raise LqcError(f"max_error is {max_error!r}; give an integer, or {n_channels}, one for each channel")
    given = [int(one) for one in np.broadcast_to(errors, n_channels)]
    if any(one < 0 for one in given):
        raise LqcError(f"max_error is {min(given)}; give 0 or more digital units")
    return [min(one, HIGHEST) for one in given]


def _put_errors(writer: BitWriter, errors: list[int]) -> None:
    kind = 2 if len(set(errors)) > 1 else int(errors[0] > 0)
    writer.bits(kind, 2)
    for error in errors[: (0, 1, len(errors))[kind]]:
        writer.length(error)


def _take_errors(reader: BitReader, n_channels: int) -> list[int]:
    kind = reader.bits(2)
    if kind == 3:
        raise LqcError("the kind of max_error is 3; bytes are damaged")
    errors = [reader.length() for _ in range((0, 1, n_channels)[kind])]
    if any(error > HIGHEST for error in errors):
        raise LqcError(f"max_error is {max(errors)}; bytes are damaged")
    return errors if kind == 2 else (errors or [0]) * n_channels


def _put_turn(writer: BitWriter, turn: CodingTurn, done: list[int], n_channels: int) -> None:
    if n_channels == 1:
        return
    writer.bits(turn.channel, (n_channels - 1).bit_length())
    if done:
        writer.bits(len(turn.others), MAX_OTHERS.bit_length())
    for other in turn.others:
        writer.bits(done.index(other), (len(done) - 1).bit_length())


def _take_turn(reader: BitReader, done: list[int], n_channels: int) -> CodingTurn:
    if n_channels == 1:
        return CodingTurn(0, [])
    channel = reader.bits((n_channels - 1).bit_length())
    n_others = min(reader.bits(MAX_OTHERS.bit_length()), MAX_OTHERS) if done else 0
    places = [reader.bits((len(done) - 1).bit_length()) for _ in range(n_others)]
    if channel >= n_channels or channel in done or any(place >= len(done) for place in places):
        raise LqcError(f"channel {channel} after {len(done)} of {n_channels}; bytes are damaged")
    return CodingTurn(channel, [done[place] for place in places])


def _bounds(first: int, stride: int) -> NDArray[np.int64]:
    return np.array([-((first - LOWEST) // stride), (HIGHEST - first) // stride])


def _others(decoded: NDArray[np.float64], turn: CodingTurn) -> NDArray[np.float64]:
    return np.ascontiguousarray(decoded[turn.others])


def _keep(row: NDArray[np.float64], values: NDArray[np.int64], scale: int) -> None:
    """Fill ``row`` with ``values`` in units of ``2**scale``: any unit predicts any other alike."""
    row[:] = np.pad(values / (1 << scale), (PAST, AHEAD), mode="edge")
