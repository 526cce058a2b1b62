"""Draws how an error falls from epoch to epoch, beside the guess that it has to be better than."""

from collections.abc import Mapping, Sequence
from typing import Any

from cookbooks.lamquant.pictures.drawing import SMALL, as_png, new_figure


def draw_losses(history: Sequence[Mapping[str, Any]], baseline: float) -> bytes:
    """Returns a PNG of training and validation loss by epoch, and of a guess without training."""
    figure = new_figure(7, 3.4)
    axis = figure.subplots()
    epochs = [one["epoch"] for one in history]
    for name, label, colour in (("loss", "train", "0.6"), ("val_loss", "validation", "#2171b5")):
        axis.plot(epochs, [one[name] for one in history], label=label, color=colour, marker="o", markersize=3)
    axis.axhline(baseline, color="#de2d26", linestyle="--", linewidth=1, label="guess without training")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("epoch", fontsize=SMALL)
    axis.set_ylabel("squared error in hidden frames", fontsize=SMALL)
    axis.tick_params(labelsize=SMALL)
    axis.legend(fontsize=SMALL, frameon=False)
    return as_png(figure)
