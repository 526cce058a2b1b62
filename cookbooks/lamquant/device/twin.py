"""Encodes a recording with the integers of the firmware: what every byte of a device is compared with.

Arithmetic, contexts and container are those of ``lqc``, which decodes; only what a device decides for itself
(transform, steps, offsets, choice of values) is written again, in numba, from the same description.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.planes import code_frame, largest_row, scaled
from cookbooks.lamquant.device.steps import (
    FAR,
    MIN_OFFSET,
    MOST_NARROW,
    MOST_WIDE,
    bits_at,
    count,
    fitting,
    level_at,
    n_counts,
    variance,
)
from cookbooks.lamquant.device.tables import device_tables, price_of_bit
from cookbooks.lamquant.device.transform import transform
from cookbooks.lamquant.lqc import varint
from cookbooks.lamquant.lqc.chunk import ALONE, pack_side
from cookbooks.lamquant.lqc.container import index, records
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Group
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.range_coder import finish, new_encoder
from cookbooks.lamquant.lqc.rows import new_rows
from cookbooks.lamquant.lqc.spatial import Mixing

_WIDE = 16
_AT, _PENDING = 4, 3
"""Places in the state of the range coder: bytes written, and bytes held back."""
Block = NDArray[np.int64]


@dataclass(frozen=True)
class TwinResult:
    """Holds a file; how many chunks did not fit the buffer and are silent; for how many coefficients the
    network was asked; and the smallest and the largest offset of a frame.
    """

    data: bytes
    lost_chunks: int
    asked: int
    offsets: tuple[int, int]


def ratio_code(noise_ratio: float) -> int:
    """Returns an allowed noise ratio as a device is told it: 256 * log2, rounded.

    Raises:
        InputError: it is not above 0, or out of the range of 16 octaves.
    """
    if not 2.0**-16 <= noise_ratio <= 2.0**16:
        raise InputError(f"noise_ratio={noise_ratio}: must be a share of a channel's RMS, above 0")
    return round(256 * float(np.log2(noise_ratio)))


def twin_encode(
    model: Model,
    layout: DeviceLayout,
    ints: NDArray[np.integer],
    rate_hz: float,
    noise_ratio: float,
    limits: tuple[int, int] | None = None,
) -> TwinResult:
    """Encode samples [C, n] as the device of this layout does.

    Args:
        model: the checkpoint.
        layout: what the device was compiled for.
        ints: the converter's values.
        rate_hz: one of the layout's rates.
        noise_ratio: share of a channel's RMS without drift that the error is to have.
        limits: least and largest value of the converter; those of its bits if None.

    Raises:
        InputError: samples or a rate that the device was not built for.
    """
    x = check_samples(layout, ints)
    low, high = check_limits(layout, limits)
    layout.rate_number(rate_hz)
    return _Twin(model, layout, rate_hz, ratio_code(noise_ratio), np.clip(x, low, high), (low, high)).result()


def check_samples(layout: DeviceLayout, ints: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns samples [C, n] of 64 bits.

    Raises:
        InputError: they are not what the layout takes.
    """
    if ints.ndim != 2 or not np.issubdtype(ints.dtype, np.integer):
        raise InputError(f"samples {ints.dtype} {ints.shape}: must be integers [channels, samples]")
    if not 1 <= len(ints) <= layout.channels:
        raise InputError(f"{len(ints)} channels: the encoder was built for 1 to {layout.channels}")
    return ints.astype(np.int64)


def check_limits(layout: DeviceLayout, limits: tuple[int, int] | None) -> tuple[int, int]:
    """Returns the least and the largest value of a converter.

    Raises:
        InputError: they are beyond the layout's bits.
    """
    least, most = layout.limits
    low, high = limits or (least, most)
    if not least <= low < high <= most:
        raise InputError(
            f"limits {low}..{high}: must lie within {least}..{most}, the converter's {layout.bits} bits"
        )
    return int(low), int(high)


class _Twin:
    def __init__(
        self,
        model: Model,
        layout: DeviceLayout,
        rate_hz: float,
        ratio: int,
        x: NDArray[np.int64],
        limits: tuple[int, int],
    ) -> None:
        self.model, self.layout, self.ratio = model, layout, ratio
        self.tables, self.lam = device_tables(model, layout), price_of_bit(model)
        self.net = model.entropy.net
        self.base = self.net.base(layout.hop, rate_hz)
        n_channels, self.n = x.shape
        self.most_waits = layout.waits(n_channels)
        self.waits = min(self.most_waits, -(-self.n // layout.hop))
        self.dc = x[:, 0] if self.n else np.full(n_channels, np.clip(0, *limits), np.int64)
        self.x = x - self.dc[:, None]
        self.out = io.BytesIO()
        facts = tuple(ChannelFacts(dc=int(dc), low=limits[0], high=limits[1]) for dc in self.dc)
        group = Group(rate_hz, facts, "lapped", layout.frames, None, layout.hop, "device", model.digest)
        self.writer = Writer(self.out, FileHeader((group,)))
        self.seen = np.zeros((n_channels, n_counts(layout.bits, layout.hop)), np.int64)
        self.power = np.zeros(n_channels, np.int64)
        self.steps, self.levels = np.zeros(n_channels, np.int64), np.zeros(n_channels, np.uint8)
        self.ahead, self.peak = np.zeros(FAR, np.int64), np.zeros(2, np.int64)
        self.blocks = self.chunk = self.lost = self.asked = 0
        self.follow = self.widest = 0
        self.range = (0, 0)

    def result(self) -> TwinResult:
        """Returns what the recording becomes."""
        frames = list(self._frames())
        for first in range(0, len(frames), self.layout.frames):
            part = frames[first : first + self.layout.frames]
            final = first + len(part) == len(frames)
            self.writer.chunk(0, self._chunk(part), self.n if final else None)
            self.chunk += 1
        self.writer.close([self.n])
        return TwinResult(self._indexed(), self.lost, self.asked, self.range)

    def _indexed(self) -> bytes:
        """Returns the file; without what follows the chunks where a device has no room for the index."""
        data = self.out.getvalue()
        at = len(data) - index.TRAILER.size - index.TRAILER.unpack(data[-index.TRAILER.size :])[0]
        return data if records.take_head(data, at, 1).length <= self.layout.index_bytes else data[:at]

    def _frames(self) -> Iterator[Block]:
        """Yields samples int64 [C, 2 * hop] of each frame, mirrored where there are none."""
        if not self.n:
            return
        hop = self.layout.hop
        n_blocks = -(-self.n // hop)
        at = np.arange(n_blocks * hop) % (2 * self.n)
        x = self.x[:, np.where(at < self.n, at, 2 * self.n - 1 - at)]
        x = np.concatenate([x[:, hop - 1 :: -1], x, x[:, : -hop - 1 : -1]], 1)
        for f in range(n_blocks + 1):
            yield np.ascontiguousarray(x[:, f * hop : (f + 2) * hop])

    def _transformed(self, x: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        spectra = np.empty((len(x), self.layout.hop), np.int64)
        tables = self.tables
        exponents = [
            transform(one, tables.window, tables.twiddles, tables.angles, out)
            for one, out in zip(x, spectra, strict=True)
        ]
        return spectra, np.array(exponents, np.int64)

    def _measure(self, x: Block, spectra: NDArray[np.int64], exponents: NDArray[np.int64]) -> None:
        self.ahead[:], self.peak[:] = 0, -FAR
        self.blocks += 1
        bins, wide = self.layout.bins, min(_WIDE, self.layout.bins)
        for p, spectrum in enumerate(spectra):
            step = int(self.steps[p])
            count(spectrum, int(exponents[p]), step, bins, wide, self.seen[p], self.ahead, self.peak)
            self.power[p] += variance(np.ascontiguousarray(x[p, self.layout.hop :]))

    def _fitting(self, p: int) -> int:
        tables = self.tables
        return fitting(
            self.seen[p], int(self.power[p]), self.blocks, self.layout.bins, self.ratio, *self.model.levels,
            tables.lg_table, tables.powers,
        )  # fmt: skip

    def _open(self, frames: list[Block]) -> NDArray[np.intp]:
        """Choose the steps of a chunk of these frames; returns the order of its planes."""
        if self.chunk == 0:
            for x in frames[: self.waits]:
                self._measure(x, *self._transformed(x))
        for p in range(len(self.steps)):
            if self.power[p] > 0 or self.chunk == 0:
                self.steps[p] = self._fitting(p)
            self.levels[p] = level_at(
                self.seen[p], self.blocks, self.layout.bins, int(self.steps[p]),
                self.tables.lg_table, self.tables.powers,
            )  # fmt: skip
        self.seen[:], self.power[:], self.blocks, self.follow = 0, 0, 0, 0
        return np.argsort(-self.levels.astype(np.int64), kind="stable")

    def _offset(self, t: int, offsets: NDArray[np.int8], state: NDArray[np.int64], largest: int) -> int:
        if self.chunk == 0 and t >= self.most_waits and t & (t - 1) == 0:
            heard = [p for p in range(len(self.steps)) if self.power[p] > 0]
            moved = sum(int(self.steps[p]) - self._fitting(p) for p in heard)
            moved = min(max((moved + 8 * len(heard)) // (16 * len(heard)), -40), 40) if heard else 0
            if abs(moved - self.follow) >= 2:
                self.follow = moved
        offset = self.follow
        before = int(offsets[t - 1]) if t else offset
        used = int(state[_AT] + state[_PENDING]) + 8
        room = max(0, 200 * (self.layout.buffer_bytes - used) // (self.layout.frames - t + 1))
        room = min(room, max(0, 128 * (self._free(t) - used)))
        while offset > MIN_OFFSET and (
            self.peak[1] + offset > MOST_NARROW
            or self.peak[0] + offset > MOST_WIDE
            or scaled(largest, offset - before) > 65535
            or bits_at(self.ahead, offset) > room
        ):
            offset -= 1
        return offset

    def _free(self, t: int) -> int:
        """Returns how many bytes of the buffer are free in frame ``t``: in the others, blocks wait."""
        if self.chunk or t >= self.waits or self.most_waits == 1:
            return self.layout.buffer_bytes
        block = self.layout.hop * len(self.steps) * (self.layout.bits // 8)
        return self.layout.buffer_bytes - (self.most_waits - t - 1) * block

    def _chunk(self, frames: list[Block]) -> bytes:
        layout, order = self.layout, self._open(frames)
        offsets, state = np.zeros(len(frames), np.int8), new_encoder()
        out = np.empty(layout.buffer_bytes, np.uint8)
        rows, lost = new_rows(len(order), layout.bins), False
        base, tables = np.ascontiguousarray(self.base[: layout.bins]), self.tables
        for t, x in enumerate(frames):
            spectra, exponents = self._transformed(x)
            self._measure(x, spectra, exponents)
            largest = int(largest_row(rows, layout.bins, min(_WIDE, layout.bins), t)) if t else 0
            offsets[t] = self._offset(t, offsets, state, largest)
            self.asked += code_frame(
                state, out, t, spectra, exponents, order, self.steps, self.levels[order], offsets, rows,
                layout.bins, base, self.net, self.model.entropy.starts, tables.price, self.lam, tables.shares,
            )  # fmt: skip
            lost = lost or int(state[_AT]) > self._free(t)
        self.range = min(self.range[0], int(offsets.min())), max(self.range[1], int(offsets.max()))
        size = int(finish(state, out))
        lost = lost or int(state[_AT]) > layout.buffer_bytes
        self.lost += lost
        content = bytearray()
        side = pack_side(self.steps, self.levels, offsets, Mixing(False, ALONE))
        varint.put(content, len(side))
        content += side
        for _ in order:
            varint.put(content, 0 if lost else layout.bins)
        return bytes(content) + (b"" if lost else out[:size].tobytes())
