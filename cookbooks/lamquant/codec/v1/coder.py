"""Turns a recording into a bitstream file and back, given a trained model.

Channels are independent: each is centred, transformed, quantised at a step of its own and range coded into
the one body. The step is the largest at which the decoded integers are still within the tier's noise ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE, N_LEVELS, Tier
from cookbooks.lamquant.codec.v1.bitstream import (
    CODER_JOINT,
    Bitstream,
    BitstreamError,
    ChannelHeader,
    IntegerReader,
    IntegerWriter,
    pack,
    unpack,
)
from cookbooks.lamquant.codec.v1.entropy import FirstEntropyModel, update_slow
from cookbooks.lamquant.codec.v1.model import GatedRefine, JointCodec, positions
from cookbooks.lamquant.codec.v1.transform import n_frames, pad_signal
from cookbooks.lamquant.lqc.rms import fast_rms

STEPS_PER_OCTAVE = 16
_CHUNK = 256
_HALO = 4
_MIN_STEP_INDEX = -2 * STEPS_PER_OCTAVE
_MAX_STEP_INDEX = 30 * STEPS_PER_OCTAVE


@dataclass(frozen=True)
class CodedChannel:
    """Holds one quantised channel: integers and table indices [F, bins], code length in bits."""

    header: ChannelHeader
    values: NDArray[np.int32]
    tables: NDArray[np.uint8]
    bits: float


def step_size(step_index: int) -> float:
    """Returns the quantiser step in digital units."""
    return 2.0 ** (step_index / STEPS_PER_OCTAVE)


def level_of(rms: float, step: float) -> int:
    """Returns the index of the ratio of signal to step, which conditions every network."""
    level = LEVEL_ZERO + round(LEVELS_PER_OCTAVE * float(np.log2(max(rms, 1e-9) / step)))
    return min(max(level, 0), N_LEVELS - 1)


def refine_frames(refine: GatedRefine, y: torch.Tensor, position: torch.Tensor, level: int) -> torch.Tensor:
    """Apply ``refine`` over y [F, K] in fixed chunks with overlap:
    bounded memory, same result for any caller.
    """
    out = torch.empty_like(y)
    index = torch.tensor([level])
    for start in range(0, len(y), _CHUNK):
        low, high = max(0, start - _HALO), min(len(y), start + _CHUNK + _HALO)
        part = refine(y[None, low:high], position, index)[0]
        stop = min(len(y), start + _CHUNK)
        out[start:stop] = part[start - low : stop - low]
    return out


class FirstRecordingCoder:
    """Encodes and decodes whole recordings.

    ``lam`` is the price of a bit in squared steps; ``digest`` identifies the weights in the file.
    """

    def __init__(
        self, model: JointCodec, entropy: FirstEntropyModel, tier: Tier, lam: float, digest: bytes
    ) -> None:
        self.model, self.entropy, self.tier, self.lam, self.digest = model.eval(), entropy, tier, lam, digest
        self.hop = model.architecture.hop

    # --- one channel -------------------------------------------------------------------------------

    @torch.inference_mode()
    def analyse(self, signal: NDArray[np.float64]) -> torch.Tensor:
        """Returns coefficients [F, K] of a centred signal [T], in the signal's unit."""
        return self.model.analyse(torch.from_numpy(pad_signal(signal, self.hop)))

    @torch.inference_mode()
    def quantise(
        self, coefficients: torch.Tensor, step: float, level: int, rate_hz: float
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], float]:
        """Returns integers, table indices and code length of the coefficients [F, K]."""
        position = positions(self.hop, rate_hz)
        y = refine_frames(self.model.encoder, coefficients / step, torch.from_numpy(position), level)
        return self.entropy.quantise(y.numpy(), self.entropy.net.base(position, level), self.lam)

    @torch.inference_mode()
    def reconstruct(
        self, values: NDArray[np.int32], step: float, level: int, rate_hz: float, n_samples: int
    ) -> NDArray[np.float64]:
        """Returns the centred signal [n_samples] from the integers [F, K]."""
        position = torch.from_numpy(positions(self.hop, rate_hz))
        y = refine_frames(self.model.decoder, torch.from_numpy(values.astype(np.float32)), position, level)
        out = self.model.synthesise(y[None])[0, :n_samples]
        return out.double().numpy() * step

    def code_channel(self, digital: NDArray[np.int32], rate_hz: float) -> CodedChannel:
        """Quantise one channel [T] at the largest step that keeps the tier's noise ratio."""
        low, high = int(digital.min()), int(digital.max())
        none = np.zeros((n_frames(len(digital), self.hop), 0), np.int32)
        if low == high:
            return CodedChannel(ChannelHeader(low, high), none, none.astype(np.uint8), 0.0)
        mean = round(float(digital.mean(dtype=np.float64)))
        centred = digital.astype(np.float64) - mean
        coefficients = self.analyse(centred)
        rms = fast_rms(centred, rate_hz)
        header = ChannelHeader(low, high, mean)

        def attempt(index: int) -> tuple[float, CodedChannel]:
            level = level_of(rms, step_size(index))
            q, tables, bits = self.quantise(coefficients, step_size(index), level, rate_hz)
            used = np.flatnonzero(q.any(0))
            bins = int(used[-1]) + 1 if len(used) else 0
            head = replace(header, step_index=index, level=level, bins=bins)
            back = self.decode_channel(head, q[:, :bins], rate_hz, len(digital))
            error = float(np.sqrt(np.mean((back - digital.astype(np.float64)) ** 2)))
            coded = CodedChannel(head, np.ascontiguousarray(q[:, :bins]), tables[:, :bins].copy(), bits)
            return error, coded

        nominal = rms * 2.0 ** -((self.tier.level - LEVEL_ZERO) / LEVELS_PER_OCTAVE)
        return largest_step(attempt, nominal, self.tier.noise_ratio * rms)

    def decode_channel(
        self, header: ChannelHeader, values: NDArray[np.int32], rate_hz: float, n_samples: int
    ) -> NDArray[np.int32]:
        """Returns digital values [n_samples] from one channel's integers [F, bins]."""
        if header.constant:
            return np.full(n_samples, header.low, np.int32)
        full = np.zeros((len(values), self.hop), np.int32)
        full[:, : header.bins] = values
        signal = self.reconstruct(full, step_size(header.step_index), header.level, rate_hz, n_samples)
        return np.clip(np.rint(signal + header.mean), header.low, header.high).astype(np.int32)

    # --- files -------------------------------------------------------------------------------------

    def encode(self, digital: NDArray[np.int32], rate_hz: float) -> bytes:
        """Returns the bitstream file of a recording [C, T].

        Raises:
            ValueError: not a non-empty two-dimensional array, or a rate that is not positive.
        """
        if digital.ndim != 2 or 0 in digital.shape:
            raise ValueError(f"recording has shape {digital.shape}: must be [channels, samples], not empty")
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"rate_hz={rate_hz!r}: must be positive")
        writer = IntegerWriter(self.entropy.frequencies)
        headers = []
        for channel in digital:
            coded = self.code_channel(channel, rate_hz)
            headers.append(coded.header)
            writer.write(coded.values.reshape(-1), coded.tables.reshape(-1))
        n_samples = digital.shape[1]
        return pack(Bitstream(CODER_JOINT, self.digest, rate_hz, n_samples, headers, writer.words()))

    def decode(self, data: bytes) -> NDArray[np.int32]:
        """Returns digital values int32 [C, T].

        Raises:
            BitstreamError: damaged bytes, or a file made with another checkpoint.
        """
        stream = unpack(data)
        if stream.coder != CODER_JOINT:
            raise BitstreamError(f"coder {stream.coder} is not the joint codec ({CODER_JOINT})")
        if stream.digest != self.digest:
            raise BitstreamError(
                f"encoded with model {stream.digest.hex()}, this checkpoint is {self.digest.hex()}"
            )
        reader = IntegerReader(stream.words, self.entropy.frequencies)
        return np.stack([self._read_channel(reader, head, stream) for head in stream.channels])

    def _read_channel(
        self, reader: IntegerReader, head: ChannelHeader, stream: Bitstream
    ) -> NDArray[np.int32]:
        frames, bins = n_frames(stream.n_samples, self.hop), head.bins
        if bins > self.hop or head.level >= N_LEVELS or not -512 <= head.step_index <= 512:
            raise BitstreamError(f"channel header out of range: {head}")
        base = self.entropy.net.base(positions(self.hop, stream.rate_hz), head.level)
        m = np.zeros((frames + 2, self.hop + 16), np.int32)
        slow = np.zeros(self.hop + 16, np.int32)
        values = np.zeros((frames, bins), np.int32)
        context, read = self.entropy.context, reader.read
        for t in range(frames if not head.constant else 0):
            row = m[t + 2]
            for k in range(bins):
                value = read(context(m, slow, t + 2, k, base))
                if value:
                    values[t, k] = value
                    row[k + 8] = abs(value)
            update_slow(slow, row, self.hop)
        return self.decode_channel(head, values, stream.rate_hz, stream.n_samples)


Attempt = Callable[[int], tuple[float, CodedChannel]]


def largest_step(attempt: Attempt, nominal: float, allowed: float) -> CodedChannel:
    """Bisect the step index for the largest step whose RMS error is within ``allowed``.

    The search starts at step ``nominal`` (digital units). If even the smallest step misses, as for a signal
    of a few digital units, that one is returned.
    """
    start = round(STEPS_PER_OCTAVE * float(np.log2(max(nominal, 1e-3))))
    low = high = min(max(start, _MIN_STEP_INDEX), _MAX_STEP_INDEX)
    error, best = attempt(low)
    stride = 2
    if error > allowed:
        while error > allowed and low > _MIN_STEP_INDEX:
            high, low = low, max(low - stride, _MIN_STEP_INDEX)
            error, best = attempt(low)
            stride *= 2
    else:
        while error <= allowed and best.header.bins and high < _MAX_STEP_INDEX:
            low, high = high, min(high + stride, _MAX_STEP_INDEX)
            error, coded = attempt(high)
            best = coded if error <= allowed else best
            stride *= 2
        if error <= allowed:
            return best
    while high - low > 1:
        index = (low + high) // 2
        error, coded = attempt(index)
        low, high, best = (index, high, coded) if error <= allowed else (low, index, best)
    return best
