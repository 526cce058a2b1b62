"""Encodes by a block DCT with a trained static Laplace model:
the classical anchor, in the same file format.

An orthonormal DCT-II over blocks of about four seconds, uniform rounding, and one Laplace scale per
coefficient fitted to the training windows. It sees the same training data, drift and step search as the
joint codec and pays for the same header, so the two differ in the model only.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cookbooks.lamquant.codec.data import WindowCorpus, draw_batch
from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE
from cookbooks.lamquant.codec.v1.bitstream import (
    CODER_DCT,
    DIGEST_BYTES,
    Bitstream,
    BitstreamError,
    ChannelHeader,
    IntegerReader,
    IntegerWriter,
    pack,
    unpack,
)
from cookbooks.lamquant.codec.v1.coder import CodedChannel, largest_step, level_of, step_size
from cookbooks.lamquant.codec.v1.entropy import LOG_FLOOR, N_SCALES, SCALES_PER_OCTAVE, frequencies_from
from cookbooks.lamquant.lqc.rms import fast_rms

BLOCK_S = 4.0
_CROPS = 96
_BLOCKS = 8
_DIGEST = bytes(DIGEST_BYTES)


def _dct(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return cast(NDArray[np.float64], scipy.fft.dct(blocks, norm="ortho"))


@dataclass(frozen=True)
class DctAnchor:
    """Encodes by a DCT. ``log_scales`` [block]: log2 of the Laplace scale of each coefficient at unit RMS."""

    log_scales: NDArray[np.float64]

    @property
    def block(self) -> int:
        """Returns the number of samples per block."""
        return len(self.log_scales)

    def encode(self, digital: NDArray[np.int32], rate_hz: float, rms_error: list[float]) -> bytes:
        """Returns the file of a recording [C,
        T] with at most ``rms_error`` (digital units) in each channel.
        """
        writer = IntegerWriter(_TABLES)
        headers = []
        for channel, allowed in zip(digital, rms_error, strict=True):
            coded = self._code_channel(channel, rate_hz, allowed)
            headers.append(coded.header)
            writer.write(coded.values.reshape(-1), coded.tables.reshape(-1))
        return pack(Bitstream(CODER_DCT, _DIGEST, rate_hz, digital.shape[1], headers, writer.words()))

    def decode(self, data: bytes) -> NDArray[np.int32]:
        """Returns digital values int32 [C, T].

        Raises:
            BitstreamError: damaged bytes or another coder's file.
        """
        stream = unpack(data)
        if stream.coder != CODER_DCT:
            raise BitstreamError(f"coder {stream.coder} is not the DCT anchor ({CODER_DCT})")
        reader = IntegerReader(stream.words, _TABLES)
        out = []
        for head in stream.channels:
            blocks = 0 if head.constant else -(-stream.n_samples // self.block)
            tables = self._tables(head)[: head.bins].tolist()
            values = [[reader.read(table) for table in tables] for _ in range(blocks)]
            q = np.array(values, np.int32).reshape(blocks, head.bins)
            out.append(self._rebuild(head, q, stream.n_samples))
        return np.stack(out)

    def _tables(self, head: ChannelHeader) -> NDArray[np.uint8]:
        octaves = self.log_scales + (head.level - LEVEL_ZERO) / LEVELS_PER_OCTAVE
        index = np.rint((octaves + LOG_FLOOR) * SCALES_PER_OCTAVE)
        return np.clip(index, 0, N_SCALES - 1).astype(np.uint8)

    def _code_channel(self, digital: NDArray[np.int32], rate_hz: float, allowed: float) -> CodedChannel:
        low, high = int(digital.min()), int(digital.max())
        if low == high:
            none = np.zeros((0, 0), np.int32)
            return CodedChannel(ChannelHeader(low, high), none, none.astype(np.uint8), 0.0)
        mean = round(float(digital.mean(dtype=np.float64)))
        centred = digital.astype(np.float64) - mean
        rms = fast_rms(centred, rate_hz)
        blocks = -(-len(centred) // self.block)
        padded = np.pad(centred, (0, blocks * self.block - len(centred)), mode="symmetric")
        coefficients = _dct(padded.reshape(blocks, self.block))

        def attempt(index: int) -> tuple[float, CodedChannel]:
            q = np.rint(coefficients / step_size(index)).astype(np.int32)
            used = np.flatnonzero(q.any(0))
            bins = int(used[-1]) + 1 if len(used) else 0
            head = ChannelHeader(low, high, mean, index, level_of(rms, step_size(index)), bins)
            tables = np.broadcast_to(self._tables(head)[:bins], (blocks, bins))
            error = self._rebuild(head, q[:, :bins], len(digital)) - digital.astype(np.float64)
            coded = CodedChannel(head, np.ascontiguousarray(q[:, :bins]), tables, 0.0)
            return float(np.sqrt(np.mean(error**2))), coded

        return largest_step(attempt, allowed * np.sqrt(12), allowed)

    def _rebuild(self, head: ChannelHeader, values: NDArray[np.int32], n_samples: int) -> NDArray[np.int32]:
        if head.constant:
            return np.full(n_samples, head.low, np.int32)
        full = np.zeros((len(values), self.block))
        full[:, : head.bins] = values * step_size(head.step_index)
        signal = cast(NDArray[np.float64], scipy.fft.idct(full, norm="ortho")).reshape(-1)[:n_samples]
        return np.clip(np.rint(signal + head.mean), head.low, head.high).astype(np.int32)


_TABLES = frequencies_from(np.zeros((N_SCALES, 16)))


def fit_anchor(corpus: WindowCorpus, seed: int = 0, block_s: float = BLOCK_S) -> DctAnchor:
    """Fit Laplace scales (mean magnitude, maximum likelihood) to augmented crops of the training windows."""
    block = round(block_s * corpus.rate_hz)
    rng = np.random.Generator(np.random.Philox(key=[seed, block]))
    total = np.zeros(block)
    for _ in range(_CROPS):
        # several blocks a crop, so that a block's own mean is part of the drift, as in a recording
        batch = draw_batch(corpus, rng, 1, block * _BLOCKS, LEVEL_ZERO)
        x = batch.signals[0].astype(np.float64) * 2.0 ** -((batch.levels[0] - LEVEL_ZERO) / LEVELS_PER_OCTAVE)
        blocks = (x - x.mean()).reshape(_BLOCKS, block)
        total += np.abs(_dct(blocks)).mean(0)
    smooth = np.convolve(np.pad(total / _CROPS, 2, mode="edge"), np.ones(5) / 5, "valid")
    smooth[:4] = total[:4] / _CROPS
    return DctAnchor(np.log2(np.maximum(smooth, 1e-6)))
