"""Turns recordings into files and back in memory, at the operating point that a checkpoint was judged at."""

import warnings

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.targets import NoiseRatio


class RecordingCoder:
    """Encodes and decodes whole recordings; ``noise_ratio`` is the error that a channel may have.

    It is a share of the channel's RMS about the straight line through each second.
    """

    def __init__(self, model: Model, noise_ratio: float) -> None:
        self.model, self.noise_ratio, self.digest = model, noise_ratio, model.digest

    def encode(self, digital: NDArray[np.int32], rate_hz: float) -> bytes:
        """Returns the bitstream file of a recording [C, T].

        Raises:
            ValueError: an array or a rate that is none of a recording.
        """
        labels = [""] * len(digital) if np.ndim(digital) == 2 else None
        with warnings.catch_warnings():  # what is done otherwise than asked is in the file that is judged
            warnings.simplefilter("ignore")
            return encode(
                digital, rate_hz, self.model, NoiseRatio(self.noise_ratio), channels=labels, threads=1
            )

    def decode(self, data: bytes) -> NDArray[np.int32]:
        """Returns digital values int32 [C, T].

        Raises:
            ValueError: damaged bytes, or a file made with another checkpoint.
        """
        return decode(data, self.model)


class DeviceCoder(RecordingCoder):
    """Encodes as a microcontroller does, in one pass; the error is about ``noise_ratio``, and not bounded."""

    def encode(self, digital: NDArray[np.int32], rate_hz: float) -> bytes:
        """Returns the bitstream file of a recording [C, T], in the device profile; raises as its base."""
        target = NoiseRatio(self.noise_ratio)
        with warnings.catch_warnings():  # that nothing is promised is what is asked for
            warnings.simplefilter("ignore")
            return encode(digital, rate_hz, self.model, target, profile="device", threads=1)
