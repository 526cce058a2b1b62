"""A recording to a bitstream file and back, given a trained model.

Channels are independent: each is centred, transformed, quantised at a step of its own and range coded into
the one body. The step is the largest at which the decoded integers are still within the tier's noise ratio.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cookbooks.lamquant.codec.bitstream import (
    CODER_JOINT,
    Bitstream,
    BitstreamError,
    ChannelHeader,
    Reader,
    Writer,
    pack,
    unpack,
)
from cookbooks.lamquant.codec.entropy import EntropyModel, update_slow
from cookbooks.lamquant.codec.model import GatedRefine, JointCodec, positions
from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE, N_LEVELS, Tier
from cookbooks.lamquant.codec.transform import bin_frequency, n_frames, pad_signal

STEPS_PER_OCTAVE = 8
DRIFT_HZ = 0.5
_CHUNK = 256
_HALO = 4
_MIN_STEP_INDEX = -2 * STEPS_PER_OCTAVE


@dataclass(frozen=True)
class CodedChannel:
    """One quantised channel: integers and table indices [F, bins], code length in bits."""

    header: ChannelHeader
    values: NDArray[np.int32]
    tables: NDArray[np.uint8]
    bits: float


def step_size(step_index: int) -> float:
    """Quantiser step in digital units."""
    return 2.0 ** (step_index / STEPS_PER_OCTAVE)


def refine_frames(
    refine: GatedRefine, y: torch.Tensor, position: torch.Tensor, level: int
) -> torch.Tensor:
    """``refine`` over y [F, K] in fixed chunks with overlap: bounded memory, same result for any caller."""
    out = torch.empty_like(y)
    index = torch.tensor([level])
    for start in range(0, len(y), _CHUNK):
        low, high = max(0, start - _HALO), min(len(y), start + _CHUNK + _HALO)
        part = refine(y[None, low:high], position, index)[0]
        stop = min(len(y), start + _CHUNK)
        out[start:stop] = part[start - low : stop - low]
    return out


class RecordingCoder:
    """Encoder and decoder of whole recordings.

    ``lam`` is the price of a bit in squared steps; ``digest`` identifies the weights in the file.
    """

    def __init__(
        self, model: JointCodec, entropy: EntropyModel, tier: Tier, lam: float, digest: bytes
    ) -> None:
        self.model, self.entropy, self.tier, self.lam, self.digest = model.eval(), entropy, tier, lam, digest
        self.hop = model.architecture.hop

    # --- one channel -------------------------------------------------------------------------------

    @torch.inference_mode()
    def analyse(self, signal: NDArray[np.float64]) -> torch.Tensor:
        """Coefficients [F, K] of a centred signal [T], in the signal's unit."""
        return self.model.analyse(torch.from_numpy(pad_signal(signal, self.hop)))

    def reference_rms(self, coefficients: torch.Tensor, rate_hz: float) -> float:
        """RMS of the signal above 0.5 Hz, or of all of it if nothing is there."""
        fast = torch.from_numpy(bin_frequency(self.hop, rate_hz) >= DRIFT_HZ)
        energy = coefficients.double().square().mean(0)
        power = float((energy * fast).sum()) or float(energy.sum())
        return float(np.sqrt(power / self.hop))

    @torch.inference_mode()
    def quantise(
        self, coefficients: torch.Tensor, step: float, level: int, rate_hz: float
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], float]:
        """Integers, table indices and code length of the coefficients [F, K]."""
        position = positions(self.hop, rate_hz)
        y = refine_frames(self.model.encoder, coefficients / step, torch.from_numpy(position), level)
        return self.entropy.quantise(y.numpy(), self.entropy.net.base(position, level), self.lam)

    @torch.inference_mode()
    def reconstruct(
        self, values: NDArray[np.int32], step: float, level: int, rate_hz: float, n_samples: int
    ) -> NDArray[np.float64]:
        """Centred signal [n_samples] from the integers [F, K]."""
        position = torch.from_numpy(positions(self.hop, rate_hz))
        y = refine_frames(self.model.decoder, torch.from_numpy(values.astype(np.float32)), position, level)
        out = self.model.synthesise(y[None])[0, :n_samples]
        return out.double().numpy() * step

    def level_for(self, rms: float, step: float) -> int:
        """Index of the ratio of signal to step, which conditions every network."""
        level = LEVEL_ZERO + round(LEVELS_PER_OCTAVE * float(np.log2(max(rms, 1e-9) / step)))
        return min(max(level, 0), N_LEVELS - 1)

    def code_channel(self, digital: NDArray[np.int32], rate_hz: float) -> CodedChannel:
        """Quantise one channel [T] at the largest step that keeps the tier's noise ratio."""
        low, high = int(digital.min()), int(digital.max())
        none = np.zeros((n_frames(len(digital), self.hop), 0), np.int32)
        if low == high:
            return CodedChannel(ChannelHeader(low, high), none, none.astype(np.uint8), 0.0)
        mean = round(float(digital.mean(dtype=np.float64)))
        centred = digital.astype(np.float64) - mean
        coefficients = self.analyse(centred)
        rms = self.reference_rms(coefficients, rate_hz)
        header = ChannelHeader(low, high, mean)

        def attempt(index: int) -> tuple[float, CodedChannel]:
            level = self.level_for(rms, step_size(index))
            q, tables, bits = self.quantise(coefficients, step_size(index), level, rate_hz)
            used = np.flatnonzero(q.any(0))
            bins = int(used[-1]) + 1 if len(used) else 0
            head = replace(header, step_index=index, level=level, bins=bins)
            back = self.decode_channel(head, q[:, :bins], rate_hz, len(digital))
            error = float(np.sqrt(np.mean((back - digital.astype(np.float64)) ** 2)))
            coded = CodedChannel(head, np.ascontiguousarray(q[:, :bins]), tables[:, :bins].copy(), bits)
            return error, coded

        nominal = np.log2(max(rms, 1e-9)) - (self.tier.level - LEVEL_ZERO) / LEVELS_PER_OCTAVE
        start = max(round(STEPS_PER_OCTAVE * float(nominal)), _MIN_STEP_INDEX)
        return _largest_step(attempt, start, self.tier.noise_ratio * rms)

    def decode_channel(
        self, header: ChannelHeader, values: NDArray[np.int32], rate_hz: float, n_samples: int
    ) -> NDArray[np.int32]:
        """Digital values [n_samples] from one channel's integers [F, bins]."""
        if header.constant:
            return np.full(n_samples, header.low, np.int32)
        full = np.zeros((len(values), self.hop), np.int32)
        full[:, : header.bins] = values
        signal = self.reconstruct(full, step_size(header.step_index), header.level, rate_hz, n_samples)
        return np.clip(np.rint(signal + header.mean), header.low, header.high).astype(np.int32)

    # --- files -------------------------------------------------------------------------------------

    def encode(self, digital: NDArray[np.int32], rate_hz: float) -> bytes:
        """Bitstream file of a recording [C, T].

        Raises:
            ValueError: not a non-empty two-dimensional array, or a rate that is not positive.
        """
        if digital.ndim != 2 or 0 in digital.shape:
            raise ValueError(f"recording has shape {digital.shape}: must be [channels, samples], not empty")
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"rate_hz={rate_hz!r}: must be positive")
        writer = Writer(self.entropy.frequencies)
        headers = []
        for channel in digital:
            coded = self.code_channel(channel, rate_hz)
            headers.append(coded.header)
            writer.write(coded.values.reshape(-1), coded.tables.reshape(-1))
        n_samples = digital.shape[1]
        return pack(Bitstream(CODER_JOINT, self.digest, rate_hz, n_samples, headers, writer.words()))

    def decode(self, data: bytes) -> NDArray[np.int32]:
        """Digital values int32 [C, T].

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
        reader = Reader(stream.words, self.entropy.frequencies)
        return np.stack([self._read_channel(reader, head, stream) for head in stream.channels])

    def _read_channel(self, reader: Reader, head: ChannelHeader, stream: Bitstream) -> NDArray[np.int32]:
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


def _largest_step(attempt, start: int, allowed: float) -> CodedChannel:  # noqa: ANN001
    """Bisect the step index: the largest whose error is within ``allowed``, else the smallest tried."""
    error, coded = attempt(start)
    best = coded
    low, high = (start, None) if error <= allowed else (None, start)
    stride = 2
    while low is None or high is None:
        index = max(high - stride, _MIN_STEP_INDEX) if low is None else low + stride
        error, coded = attempt(index)
        if error <= allowed:
            low, best = index, coded
        else:
            high = index
            if index == _MIN_STEP_INDEX:
                return coded
        stride *= 2
        if low is not None and high is None and coded.header.bins == 0:
            return best
    while high - low > 1:
        index = (low + high) // 2
        error, coded = attempt(index)
        if error <= allowed:
            low, best = index, coded
        else:
            high = index
    return best
