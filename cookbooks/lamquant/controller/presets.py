"""Says how much work a training of the controller is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ControllerPreset:
    """Describes one size of training run.

    Attributes:
        width, depth: units of a layer, and layers.
        steps: optimiser steps of an epoch, of ``batch_size`` crops each.
        noise, drop: how inputs are disturbed: deviation of an offset for each crop and number, and how often
            one is left out; against learning a few patients by heart.
    """

    name: str
    width: int
    depth: int
    epochs: int
    steps: int
    batch_size: int
    lr: float
    noise: float = 0.4
    drop: float = 0.2


CONTROLLER_PRESETS: dict[str, ControllerPreset] = {
    "smoke": ControllerPreset("smoke", 8, 1, 2, 20, 8, 6e-3),
    "fast": ControllerPreset("fast", 24, 1, 16, 40, 16, 3e-3),
    "medium": ControllerPreset("medium", 40, 2, 30, 200, 32, 2e-3),
    "production": ControllerPreset("production", 64, 2, 200, 1000, 32, 1e-3, 0.3, 0.1),
}
