"""Says what the codec takes: integers of one rate, channels first, read by ranges of samples."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import ChannelFacts
from cookbooks.lamquant.lqc.errors import InputError

MAX_CHANNELS = 1024
_INT32 = np.iinfo(np.int32)
Read = Callable[[int, int], NDArray[np.int32]]


@dataclass(frozen=True)
class SignalSource:
    """Describes channels of one rate whose samples are read when they are needed.

    Attributes:
        rate_hz: samples a second of each channel.
        n_samples: samples of each channel.
        channels: what is known of each: label, unit, scaling, range; in the order of the rows.
        read: returns samples [start, stop) as int32 [C, stop - start]; called from one thread.
        exact: whether it is coded without loss, whatever the target.
    """

    rate_hz: float
    n_samples: int
    channels: tuple[ChannelFacts, ...]
    read: Read
    exact: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise InputError(f"rate_hz={self.rate_hz!r}: must be samples a second, above 0")
        if not self.channels or self.n_samples < 1:
            raise InputError(
                f"a signal of {len(self.channels)} channels and {self.n_samples} samples: neither may be 0"
            )
        if len(self.channels) > MAX_CHANNELS:
            raise InputError(f"{len(self.channels)} channels: must be {MAX_CHANNELS} at most")

    @property
    def size(self) -> int:
        """Returns samples times channels."""
        return self.n_samples * len(self.channels)


def array_signal(
    x: NDArray[np.integer], rate_hz: float, channels: Sequence[ChannelFacts | str] | None = None
) -> SignalSource:
    """Returns the signal of an array [C, T] of digital values.

    ``channels`` gives facts or a label for each row. Without them an array with more rows than columns is
    refused, since it is nearly always [T, C].

    Raises:
        InputError: another shape, type or range than that of a recorder's integers.
    """
    x = digital(x)
    if channels is None:
        if x.shape[0] > x.shape[1]:
            raise InputError(
                f"recording has shape {x.shape}, more channels than samples: must be [channels, samples];"
                " give x.T, or the labels of the channels if it is meant so"
            )
        channels = [ChannelFacts()] * len(x)
    if len(channels) != len(x):
        raise InputError(
            f"{len(channels)} channels are described, the recording has shape {x.shape}: must be"
            " [channels, samples] with one description each"
        )
    facts = tuple(ChannelFacts(label=one) if isinstance(one, str) else one for one in channels)

    def read(start: int, stop: int) -> NDArray[np.int32]:
        return x[:, start:stop]

    return SignalSource(float(rate_hz), x.shape[1], facts, read)


def digital(x: NDArray[np.integer]) -> NDArray[np.int32]:
    """Returns x as int32 [C, T].

    Raises:
        InputError: not two-dimensional, empty, not integers, or integers beyond 32 bits.
    """
    if not isinstance(x, np.ndarray):
        raise InputError(
            f"recording is a {type(x).__name__}: must be a numpy array of int32 [channels, samples]"
        )
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(
            f"recording has shape {x.shape}: must be [channels, samples], not"
            " empty; one channel is x[None, :]"
        )
    if x.dtype.kind not in "iu":
        raise InputError(
            f"recording is {x.dtype}: must be the recorder's integers (int32 digital values), not physical"
            " units such as microvolts; np.rint(x / unit).astype(np.int32) makes them, with the size of a"
            " unit in the channels' scaling"
        )
    if x.dtype.itemsize > 4 or x.dtype == np.uint32:
        low, high = int(x.min()), int(x.max())
        if low < _INT32.min or high > _INT32.max:
            raise InputError(
                f"recording holds values from {low} to {high}: must fit 32 bits, {_INT32.min} to {_INT32.max}"
            )
    return x.astype(np.int32, copy=False)
