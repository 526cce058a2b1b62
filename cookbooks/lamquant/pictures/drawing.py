"""Turns figures into PNG bytes, the same ones for the same figure."""

import io

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

SMALL = 8
"""Points of the text of axes."""


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of so many inches."""
    return Figure(figsize=(width, height), dpi=72, layout="constrained")


def as_png(figure: Figure) -> bytes:
    """Returns the PNG of a figure, without a date or the version of the library in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
