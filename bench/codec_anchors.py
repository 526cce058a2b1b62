"""Coders that the codec is compared with; the error in each channel is the same share of its RMS."""

import io
import math
import struct
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.codec_sets import Signal
from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.v1.dct import DctAnchor, fit_anchor
from cookbooks.lamquant.lqc.rms import fast_rms

Image.MAX_IMAGE_PIXELS = None  # it takes a long recording for a bomb


class Coder(Protocol):
    """Turns a recording into a file and back."""

    @property
    def name(self) -> str: ...

    def encode(self, signal: Signal, ratio: float) -> bytes:
        """The file; the RMS error of a channel is ``ratio`` of its RMS without drift, or close to it."""
        ...

    def decode(self, data: bytes) -> NDArray[np.int32]: ...


def rms_of(signal: Signal) -> NDArray[np.float64]:
    """Each channel's RMS about the line through every second, by which all coders share out their error."""
    return np.array([fast_rms(channel, signal.rate_hz) for channel in signal.centred])


BLOCKS_S = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Dct:
    """The trained block DCT, every channel by itself, with the block length that suits the recording best."""

    anchors: tuple[DctAnchor, ...]
    name: str = "DCT"

    @classmethod
    def fitted(cls, corpus: WindowCorpus) -> "Dct":
        """One anchor for each block length, trained on the same windows as the codec."""
        return cls(tuple(fit_anchor(corpus, block_s=seconds) for seconds in BLOCKS_S))

    def encode(self, signal: Signal, ratio: float) -> bytes:
        allowed = (ratio * rms_of(signal)).tolist()
        own = [self.at(number, signal.rate_hz) for number in range(len(self.anchors))]
        files = [anchor.encode(signal.digital, signal.rate_hz, allowed) for anchor in own]
        best = min(range(len(files)), key=lambda number: len(files[number]))
        return struct.pack("<Bd", best, signal.rate_hz) + files[best]

    def decode(self, data: bytes) -> NDArray[np.int32]:
        number, rate_hz = struct.unpack_from("<Bd", data)
        return self.at(number, rate_hz).decode(data[struct.calcsize("<Bd") :])

    def at(self, number: int, rate_hz: float) -> DctAnchor:
        """A bin of a block of so many seconds is the same frequency at any rate."""
        scales, block = self.anchors[number].log_scales, round(BLOCKS_S[number] * rate_hz)
        return DctAnchor(np.pad(scales[:block], (0, max(0, block - len(scales))), mode="edge"))


FLAT = (1024, 4)
"""A code block that is long in time and few channels high."""


@dataclass
class Jpeg2000:
    """JPEG 2000 by OpenJPEG: channels scaled to one RMS, rows of a 16-bit image.

    A row is a channel, or a second of one; the layout that made the smaller file of the first recording is
    kept. Scale and mean of each channel are in the file's front.
    """

    name: str = "JPEG 2000"
    by_second: bool | None = field(default=None, init=False)

    def encode(self, signal: Signal, ratio: float) -> bytes:
        if self.by_second is None:
            sizes = [len(self._nearest(signal, ratio, by_second)) for by_second in (False, True)]
            self.by_second = sizes[1] < sizes[0]
        return self._nearest(signal, ratio, self.by_second)

    def _nearest(self, signal: Signal, ratio: float, by_second: bool) -> bytes:
        """Ten halvings of the quality in decibels, which it meets only roughly by itself."""
        rms = rms_of(signal)
        rms[rms == 0] = 1
        wanted = ratio * math.sqrt(len(rms))
        low, high = 20.0, 90.0
        best = self._packed(signal, rms, high, by_second)
        for _ in range(10):
            quality = (low + high) / 2
            data = self._packed(signal, rms, quality, by_second)
            error = (self.decode(data) - signal.digital) / rms[:, None]
            near = math.sqrt(float((error**2).mean()) * len(rms))
            low, high, best = (quality, high, best) if near > wanted else (low, quality, data)
        return best

    def _packed(self, signal: Signal, rms: NDArray[np.float64], quality: float, by_second: bool) -> bytes:
        mean = signal.digital.mean(axis=1)
        scaled = (signal.digital - mean[:, None]) / rms[:, None]
        gain = 32000 / float(np.abs(scaled).max())
        image = np.rint(scaled * gain + 32768).astype(np.uint16)
        channels, samples = image.shape
        if by_second:
            width = round(signal.rate_hz)
            image = np.pad(image, ((0, 0), (0, -samples % width)), mode="edge").reshape(-1, width)
        out = io.BytesIO()
        Image.fromarray(image).save(
            out,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            quality_mode="dB",
            quality_layers=[quality],
            codeblock_size=(64, 64) if by_second else FLAT,
        )
        front = np.concatenate([mean, rms / gain]).astype("<f4").tobytes()
        return struct.pack("<II", channels, samples) + front + out.getvalue()

    def decode(self, data: bytes) -> NDArray[np.int32]:
        channels, samples = struct.unpack_from("<II", data)
        mean, scale = np.frombuffer(data, "<f4", 2 * channels, 8).reshape(2, channels, 1)
        image = np.asarray(Image.open(io.BytesIO(data[8 + 8 * channels :])))
        rows = image.reshape(channels, -1)[:, :samples].astype(np.float64)
        return np.rint((rows - 32768) * scale + mean).astype(np.int32)
