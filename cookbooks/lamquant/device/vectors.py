"""Makes the signals of the self test, and writes what the twin makes of them: ``lq_vectors.h``."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.twin import TwinResult, ratio_code, twin_encode
from cookbooks.lamquant.device.weights import crop_lines
from cookbooks.lamquant.lqc.model import Model

VECTORS = "lq_vectors.h"
CROP, CONSTANT, SQUARE, NOISE = range(4)
RATIO = 0.17
_FRAMES = 6


@dataclass(frozen=True)
class SelftestVector:
    """Holds a signal of the self test: its kind in C, samples int64 [C, n], and what the twin made of it."""

    kind: int
    samples: NDArray[np.int64]
    made: TwinResult


def selftest_vectors(
    model: Model, layout: DeviceLayout, crop: NDArray[np.integer] | None
) -> list[SelftestVector]:
    """Returns the signals that a device encodes at boot: ``crop``, if one is given, and three made ones."""
    n_channels, n = min(2, layout.channels), _FRAMES * layout.hop + layout.hop // 3
    signals = {CONSTANT: np.full((n_channels, n), layout.limits[1] // 3, np.int64)}
    time = np.arange(n)
    square = [np.where(time // (37 + p) % 2, layout.limits[1], layout.limits[0]) for p in range(n_channels)]
    signals[SQUARE] = np.stack(square).astype(np.int64)
    signals[NOISE] = _noise(n_channels * n).reshape(n, n_channels).T
    if crop is not None:
        signals = {CROP: np.asarray(crop, np.int64)} | signals
    rate = layout.rates_hz[0]
    made = {kind: twin_encode(model, layout, x, rate, RATIO) for kind, x in signals.items()}
    return [SelftestVector(kind, x, made[kind]) for kind, x in signals.items()]


def _noise(count: int) -> NDArray[np.int64]:
    """Returns numbers of -512 to 511 of a linear congruential generator (Numerical Recipes' constants)."""
    seed, out = 1, np.empty(count, np.int64)
    for i in range(count):
        seed = (seed * 1664525 + 1013904223) % 2**32
        out[i] = (seed >> 16 & 1023) - 512
    return out


def vectors_header(vectors: list[SelftestVector], layout: DeviceLayout) -> str:
    """Returns the text of ``lq_vectors.h``."""
    crops = [one.samples.astype(np.int32) for one in vectors if one.kind == CROP]
    crop = crop_lines(crops[0]) if crops else "{0}"
    low, high = layout.limits
    rows = ",\n".join(
        f"{{{one.kind}, {one.samples.shape[1]},"
        f" {{{len(one.samples)}, 0, {low}, {high}, {ratio_code(RATIO)}}}, "
        f"{len(one.made.data)}, {zlib.crc32(one.made.data):#010x}}}"
        for one in vectors
    )
    return (
        "/* Generated: build it again rather than edit it. */\n"
        f"static const int32_t lq_crop[] = {crop};\nstatic const vector lq_vectors[] = {{\n{rows},\n}};\n"
    )
