"""Finds a layout whose encoder keeps within the RAM that a device has."""

import tempfile
from dataclasses import replace
from pathlib import Path

from cookbooks.lamquant.device.bundle import write_sources
from cookbooks.lamquant.device.compiling import measure_budget
from cookbooks.lamquant.device.layout import Layout
from cookbooks.lamquant.device.toolchains import toolchain_of
from cookbooks.lamquant.lqc.model import Model

KIB = 1024
LEAST_FRAMES, LEAST_HOP, LEAST_BUFFER = 4, 64, 512
"""Shorter chunks cost more in heads, and a shorter hop in resolution, than anybody should pay unasked."""


def fitted(model: Model, layout: Layout, target: str, max_ram_kib: int, *, hops: bool) -> Layout:
    """Returns the layout; with shorter chunks, and then a shorter hop, where the encoder needs more RAM.

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
        chunks = _chunks(tried)
        spare = max_ram_kib * KIB - _ram(model, tried, target) + tried.buffer_bytes
        if fitting := [chunk for chunk in chunks if chunk.buffer_bytes <= spare]:
            return fitting[0]
        shorter = tried.hop // 2
        if not hops or shorter < LEAST_HOP:
            return chunks[-1]
        tried = Layout.of(layout.channels, layout.rates_hz, bits=layout.bits, hop=shorter)


def _chunks(layout: Layout) -> list[Layout]:
    """Returns a layout and those with chunks of half as many frames, and room for them, down to a few."""
    found, frames = [layout], layout.frames
    while frames // 2 >= LEAST_FRAMES:
        frames //= 2
        room = max(LEAST_BUFFER, layout.buffer_bytes * frames // layout.frames)
        found.append(replace(layout, frames=frames, buffer_bytes=room))
    return found


def _ram(model: Model, layout: Layout, target: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_sources(model, layout, Path(folder))
        return measure_budget(toolchain_of(target), Path(folder), Path(folder, "objects")).ram_bytes
