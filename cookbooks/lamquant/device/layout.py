"""Says what an encoder is built for: channels, rates, the converter's bits, and the memory it may use."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cookbooks.lamquant.lqc.chunk import frames_per_chunk
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.hops import HOPS
from cookbooks.lamquant.lqc.varint import put

FRAME_S = 1.0
"""Seconds from frame to frame, nearly, where nobody asks for another hop."""
MOST_CHANNELS, MOST_RATES = 255, 16
MIN_HOP, MAX_HOP, MIN_BINS = 32, 1024, 8
_BITS_A_VALUE = 4
"""Room for a coded value, where nobody asks for another buffer."""
_LEAST_BUFFER, _INDEX = 512, 4096


@dataclass(frozen=True)
class DeviceLayout:
    """Holds what is fixed when an encoder is compiled.

    Attributes:
        channels: the most that it takes.
        rates_hz: the samples a second that it can be told.
        bits: of the converter: 16 or 24.
        hop: samples from frame to frame, a power of two.
        bins: coefficients of a frame that are coded, from the lowest; those above are dropped.
        frames: of a chunk.
        buffer_bytes: room for a coded chunk.
        index_bytes: room for the index; a file whose index is longer ends without one.
    """

    channels: int
    rates_hz: tuple[float, ...]
    bits: int
    hop: int
    bins: int
    frames: int
    buffer_bytes: int
    index_bytes: int

    @classmethod
    def of(
        cls,
        channels: int,
        rates_hz: tuple[float, ...],
        *,
        bits: int = 16,
        hop: int | None = None,
        bins: int | None = None,
        frames: int | None = None,
        buffer_bytes: int | None = None,
        index_bytes: int = _INDEX,
    ) -> "DeviceLayout":
        """Returns a layout; what is None follows from the rest.

        Raises:
            InputError: a value is out of its range.
        """
        _check("channels", channels, 1, MOST_CHANNELS)
        if not 1 <= len(rates_hz) <= MOST_RATES or not all(0 < rate <= 1e5 for rate in rates_hz):
            raise InputError(f"rates_hz={rates_hz}: must be 1 to {MOST_RATES} rates above 0, 100 kHz at most")
        if bits not in (16, 24):
            raise InputError(f"bits={bits}: must be 16 or 24, what the converter gives")
        rate = max(rates_hz)
        if hop is None:
            hop = min(HOPS, key=lambda one: abs(np.log2(one / rate / FRAME_S)))
        if hop & (hop - 1):
            raise InputError(f"hop={hop}: must be a power of two from {MIN_HOP} to {MAX_HOP}")
        _check("hop", hop, MIN_HOP, MAX_HOP)
        bins = hop if bins is None else bins
        _check("bins", bins, MIN_BINS, hop)
        most = min(65535 // hop, 255)
        frames = min(frames_per_chunk(channels, hop, rate), most) if frames is None else frames
        _check("frames", frames, 1, most)
        if buffer_bytes is None:
            buffer_bytes = max(_LEAST_BUFFER, channels * frames * bins * _BITS_A_VALUE // 8)
        _check("buffer_bytes", buffer_bytes, 64, 1 << 22)
        _check("index_bytes", index_bytes, 1, 1 << 20)
        return cls(channels, tuple(rates_hz), bits, hop, bins, frames, buffer_bytes, index_bytes)

    def waits(self, channels: int) -> int:
        """Returns how many blocks of so many channels wait in the buffer before the first chunk is coded."""
        return max(1, min(16, self.frames, self.buffer_bytes // (self.hop * channels * (self.bits // 8))))

    @property
    def latency_s(self) -> float:
        """Returns seconds from a sample to when its last frame is coded, at the slowest rate, at most."""
        return 2 * self.hop / min(self.rates_hz)

    @property
    def limits(self) -> tuple[int, int]:
        """Returns the least and the largest value of the converter."""
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    def rate_number(self, rate_hz: float) -> int:
        """Returns by which number the encoder knows a rate.

        Raises:
            InputError: it does not know it.
        """
        if rate_hz not in self.rates_hz:
            known = ", ".join(f"{one:g}" for one in self.rates_hz)
            raise InputError(
                f"rate_hz={rate_hz:g}: the encoder was built for {known} Hz: build it with this one"
            )
        return self.rates_hz.index(rate_hz)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields by name."""
        return asdict(self) | {"rates_hz": list(self.rates_hz)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "DeviceLayout":
        """Returns the layout that ``to_json`` was asked of.

        Raises:
            InputError: a field is missing, or out of its range.
        """
        try:
            named = dict(fields)
            channels, rates = int(named.pop("channels")), tuple(float(one) for one in named.pop("rates_hz"))
            return cls.of(channels, rates, **{name: int(value) for name, value in named.items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"layout {fields!r}: a field is missing or of another type: build it again"
            ) from error


def rate_bytes(rate_hz: float) -> bytes:
    """Returns a rate as the header of a file writes it."""
    out = bytearray()
    if rate_hz == int(rate_hz):
        put(out, int(rate_hz))
        return bytes(out)
    return b"\0" + np.float64(rate_hz).astype("<f8").tobytes()


def _check(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name}={value!r}: must be a whole number from {least} to {most}")
