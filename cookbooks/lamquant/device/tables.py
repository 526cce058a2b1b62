"""Turns a model and a layout into the integer tables that the encoder and its twin compute with."""

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.tokens import cost_table

ONE = 1 << 30
"""One, in the tables of the transform."""
_HIGHEST = 4095
_INT32 = 2**31 - 1
LAMBDA_ONE = 256
PRICE_ONE = 256
"""A bit, in the table of prices."""


class DeviceTables(NamedTuple):
    """Holds every table of ``lq_weights.h`` in the order of its CRC, with the names and types in C."""

    digest: NDArray[np.uint8]
    w1: NDArray[np.int16]
    w2: NDArray[np.int16]
    w3: NDArray[np.int16]
    position: NDArray[np.int32]
    level: NDArray[np.int32]
    duration: NDArray[np.int32]
    b2: NDArray[np.int32]
    b3: NDArray[np.int32]
    starts: NDArray[np.uint16]
    price: NDArray[np.uint16]
    window: NDArray[np.int32]
    twiddles: NDArray[np.int32]
    angles: NDArray[np.int32]
    logs: NDArray[np.uint8]
    lg_table: NDArray[np.uint32]
    powers: NDArray[np.uint32]
    shares: NDArray[np.uint32]

    def crc(self) -> int:
        """Returns the CRC-32 of all tables as they lie in memory, the lowest byte first."""
        crc = 0
        for table in self:
            crc = zlib.crc32(table.astype(table.dtype.newbyteorder("<")).tobytes(), crc)
        return crc


def device_tables(model: Model, layout: DeviceLayout) -> DeviceTables:
    """Returns the tables of a model for the hop of a layout.

    Raises:
        InputError: a weight with which 32 bits would overflow.
    """
    net = model.entropy.net
    _check_sums(net)
    return DeviceTables(
        np.frombuffer(model.digest, np.uint8),
        net.w1.astype(np.int16),
        np.ascontiguousarray(net.w2.T).astype(np.int16),
        net.w3.astype(np.int16),
        net.position,
        net.level,
        net.duration,
        net.b2,
        net.b3,
        model.entropy.starts[:, :-1].astype(np.uint16),
        np.round(PRICE_ONE * cost_table(model.entropy.starts)).astype(np.uint16),
        *_transform(layout.hop),
        np.round(16 * np.log2(1 + np.arange(32) / 32)).astype(np.uint8),
        np.round(65536 * np.log2(1 + np.arange(33) / 32)).astype(np.uint32),
        np.round(65536 * 2.0 ** (np.arange(32) / 32)).astype(np.uint32),
        np.round(ONE * 2.0 ** (-np.arange(64) / 64)).astype(np.uint32),
    )


def _transform(hop: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Returns window [hop], twiddles [hop / 2, 2] and the FFT's angles [hop / 4, 2]: cosine and sine.

    Every second stage of the FFT halves; where their number is odd, each twiddle has a fourth root of a half.
    """
    half = hop // 2
    rest = 2.0**-0.25 if (hop.bit_length() - 2) % 2 else 1.0
    window = np.sin(np.pi * (np.arange(hop) + 0.5) / (2 * hop))
    turn = np.pi * (8 * np.arange(half) + 1) / (8 * hop)
    angle = 2 * np.pi * np.arange(half // 2) / half
    return tuple(
        np.round(ONE * values).astype(np.int32)
        for values in (
            window,
            rest * np.stack([np.cos(turn), np.sin(turn)], -1),
            np.stack([np.cos(angle), np.sin(angle)], -1),
        )
    )  # pyright: ignore[reportReturnType]


def price_of_bit(model: Model) -> int:
    """Returns the price of a bit in squared steps, in 1/256: what ``lambda`` of a model is to a device."""
    return round(LAMBDA_ONE * model.lam)


def _check_sums(net: Any) -> None:
    for name in ("w1", "w2", "w3"):
        if int(np.abs(getattr(net, name)).max()) > 32767:
            raise InputError(f"{name}: a weight is beyond 16 bits: train the codec again")
    first = np.abs(net.w1.astype(np.int64)).sum(0) * 256
    for name, shape in (("position", N_POSITIONS), ("level", N_LEVELS), ("duration", N_DURATIONS)):
        table = np.abs(getattr(net, name).astype(np.int64))
        if len(table) != shape:
            raise InputError(f"{name}: has {len(table)} rows, expected {shape}")
        first = first + table.max(0)
    second = np.abs(net.w2.astype(np.int64)).sum(0) * _HIGHEST + np.abs(net.b2.astype(np.int64))
    for name, sums in (("first", first), ("second", second)):
        if int(sums.max()) > _INT32:
            raise InputError(
                f"the {name} layer can reach {int(sums.max())}, beyond 32 bits: use a narrower network"
            )
