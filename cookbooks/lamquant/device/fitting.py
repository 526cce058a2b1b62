"""Finds a layout whose encoder keeps within the RAM that a device has."""

import tempfile
from dataclasses import replace
from pathlib import Path

from cookbooks.lamquant.device.bundle import write_sources
from cookbooks.lamquant.device.compiling import measure_budget
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.toolchains import toolchain_of
from cookbooks.lamquant.lqc.model import Model

KIB = 1024
LEAST_FRAMES, LEAST_HOP = 12, 64
"""Shorter chunks cost more in heads, and a shorter hop in resolution, than anybody should pay unasked."""
_BITS_A_VALUE = 2
"""Room for a coded value at least, so that hardly any frame is coarsened for want of it."""


def fitted(model: Model, layout: DeviceLayout, target: str, max_ram_kib: int, *, hops: bool) -> DeviceLayout:
    """Returns the layout; where the encoder needs more RAM, with less room for a chunk, then with shorter
    chunks, and then with a shorter hop.

    Where nothing helps it is the smallest one that was tried: what it takes is measured and judged later.

    Args:
        model: the checkpoint.
        layout: what would be built otherwise.
        target: whose compiler says what the encoder keeps.
        max_ram_kib: KiB of RAM.
        hops: whether the hop may be halved, and with it the bins.

    Raises:
        DeviceError: the compiler is missing or refuses.
    """
    tried = layout
    while True:
        room = max_ram_kib * KIB - _ram(model, tried, target) + tried.buffer_bytes
        if room >= tried.buffer_bytes:
            return tried
        a_frame = -(-tried.channels * tried.bins * _BITS_A_VALUE // 8)
        frames = min(tried.frames, max(room, 0) // a_frame)
        if frames >= min(LEAST_FRAMES, tried.frames):
            return replace(tried, frames=frames, buffer_bytes=room)
        shorter = tried.hop // 2
        if not hops or shorter < LEAST_HOP:
            frames = min(LEAST_FRAMES, tried.frames)
            return replace(tried, frames=frames, buffer_bytes=max(64, frames * a_frame))
        tried = DeviceLayout.of(layout.channels, layout.rates_hz, bits=layout.bits, hop=shorter)


def _ram(model: Model, layout: DeviceLayout, target: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_sources(model, layout, Path(folder))
        return measure_budget(toolchain_of(target), Path(folder), Path(folder, "objects")).ram_bytes
