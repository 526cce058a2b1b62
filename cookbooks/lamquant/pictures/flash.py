"""Draws where the flash of a firmware bundle goes: a bar for its code and for each of its tables."""

from collections.abc import Mapping

from cookbooks.lamquant.pictures.drawing import SMALL, as_png, new_figure

KIB = 1024


def draw_flash(target: str, parts: Mapping[str, int], ram: Mapping[str, int]) -> bytes:
    """Returns the PNG of what a program keeps in flash and in RAM.

    Args:
        target: what it was compiled for.
        parts: bytes of flash by name.
        ram: bytes of RAM by name.
    """
    figure = new_figure(8, 1.6 + 0.3 * (len(parts) + len(ram)))
    axes = figure.subplots(2, 1, height_ratios=[len(parts), max(1, len(ram))])
    for axis, what, found, colour in (
        (axes[0], "flash", parts, "tab:blue"),
        (axes[1], "RAM", ram, "tab:orange"),
    ):
        rows = sorted(found.items(), key=lambda one: one[1])
        axis.barh([name for name, _ in rows], [size / KIB for _, size in rows], color=colour)
        for place, (_, size) in enumerate(rows):
            axis.text(size / KIB, place, f" {size}", va="center", fontsize=SMALL - 1)
        total = sum(found.values())
        axis.set_title(f"{what} of {target}: {total} bytes", loc="left", fontsize=SMALL + 1)
        axis.set_xlabel("KiB", fontsize=SMALL)
        axis.tick_params(labelsize=SMALL)
        axis.margins(x=0.12)
    return as_png(figure)
